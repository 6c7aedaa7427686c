"""WeChat Pay's side."""
