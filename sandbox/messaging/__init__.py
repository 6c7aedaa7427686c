"""The vendors of messages: text messages, WeChat, e-mail, the robots of group chats."""
