"""The words of bank files: header words by what their column holds, and the words of kinds, states and currencies.

All are compared after `key`: full- and half-width forms, blanks and letter case do not count, and neither do units or
translations in parentheses. Within a list the earlier words are the stronger ones.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_ASIDE = re.compile(r"\[[^\]]*\]|\((?:元|分|人民币|人民币元|单位:.?|cny|rmb|yuan|fen|[+-]元)\)")
_BLANK = re.compile(r"[\s\u200b\ufeff]+")


def key(text: object) -> str:
    """Return a header word or cell word in the form in which words are compared."""
    plain = unicodedata.normalize("NFKC", "" if text is None else str(text)).casefold()
    return _BLANK.sub("", plain).strip("`'\"")


def stem(text: object) -> str:
    """Return a header word without units and without a translation in brackets."""
    return _ASIDE.sub("", key(text)).rstrip(":")


def _keys(*lines: str) -> tuple[str, ...]:
    return tuple(key(word) for line in lines for word in line.split(","))


TIME = _keys(
    "交易时间,支付时间,付款时间,成功时间,入账时间,记账时间,完成时间,交易日期时间,发生时间,时间,交易日期",
    "记账日期,入账日期,交易日,记账日,会计日期,发生日期,日期,记帐日期,入帐日期,transaction time,date time",
    "date/time,time,transaction date,txn date,trade date,booking date,posting date,post date,date,起息日",
    "value date,创建时间",
)
# A column of the time of day beside one of the day.
CLOCK = _keys(
    "交易时间,时间,记账时间,入账时间,记帐时间,交易时刻,时刻,发生时间,交易时分秒,支付时间,付款时间,transaction time,time",
)
AMOUNT = _keys(
    "交易金额,发生额,交易发生额,交易额,金额,本次发生额,发生金额,交易发生金额,收支金额,入账币种/金额,入账金额",
    "实收金额,收款金额,transaction amount,amount,trade amount,txn amount,人民币金额,amount (cny),net amount",
)
AMOUNT_IN = _keys(
    "收入金额,收入,贷方发生额,贷方金额,贷方,贷方发生额(收入),贷方(入账),贷方(收入),存入金额,存入,转入金额",
    "转入,入账金额,收款金额,来账金额,收方金额,贷方交易金额,credit,credit amount,credits,deposit,deposits",
    "deposit amount,paid in,money in,amount in,credit(cr),收入(+),收入金额(+元),贷",
)
AMOUNT_OUT = _keys(
    "支出金额,支出,借方发生额,借方金额,借方,借方发生额(支取),借方发生额(支出),借方(出账),借方(支出),支取金额",
    "支取,取出金额,取出,转出金额,转出,出账金额,付款金额,往账金额,付方金额,借方交易金额,debit,debit amount",
    "debits,withdrawal,withdrawals,withdrawal amount,paid out,money out,amount out,debit(dr),支出(-)",
    "支出金额(-元),借",
)
BALANCE = _keys(
    "余额,账户余额,当前余额,本次余额,交易后余额,联机余额,可用余额,账户结余,结余,余额(元),balance",
    "running balance,available balance,account balance,closing balance",
)
REFERENCE = _keys(
    "商户订单号,商家订单号,订单号,商户单号,商户订单编号,订单编号,商户参考号,我方订单号,外部订单号,参考号",
    "order,order no,order no.,order number,order id,merchant reference,merchant order no,customer reference",
    "our reference,end to end id,end-to-end reference",
)
MEMO = _keys(
    "附言,交易附言,客户附言,付款附言,汇款附言,用途,交易用途,汇款用途,摘要,交易摘要,备注,交易备注,个性化信息",
    "回单个性化信息,业务摘要,其它摘要,其他摘要,留言,memo,description,details,narrative,transaction details",
    "payment details,remark,remarks,particulars,reference,payment reference",
)
SERIAL = _keys(
    "交易流水号,银行流水号,流水号,核心流水号,账户明细编号-交易流水号,主机交易流水号,交易订单号,银行订单号",
    "支付流水号,渠道流水号,交易号,交易编号,业务参考号,交易参考号,日志号,柜员流水号,柜员交易号,明细流水号",
    "全局流水号,回单编号,serial,serial no,serial number,transaction id,transaction number,txn id",
    "bank reference,transaction reference,transaction reference number,reference number,reference no,ref no",
    "trn",
)
REFUND_SERIAL = _keys(
    "退款单号,退款流水号,商户退款单号,退款订单号,refund no,refund id,refund reference",
)
KIND = _keys(
    "借贷标志,借贷标识,借/贷,借贷,借贷方向,借贷类型,收/支,收支,收支类型,收支方向,收支标志,收付标志,收/付,收付",
    "交易方向,方向,来往账标志,往来账标志,存取标志,交易类型,业务类型,类型,dr/cr,cr/dr,d/c,c/d,debit/credit",
    "credit/debit,type,transaction type,direction",
)
STATUS = _keys(
    "交易状态,支付状态,订单状态,状态,交易结果,处理状态,记账状态,入账状态,处理结果,status,state",
    "transaction status,payment status,result",
)
CURRENCY = _keys(
    "币种,币别,货币,交易币种,交易货币,货币种类,账户币种,币种名称,currency,ccy,curr,trade currency",
)
ACCOUNT = _keys(
    "账号,本方账号,我方账号,账户,账户号,卡号,查询账号,本方帐号,帐号,本方账户,交易账号,账户号码,account",
    "account number,account no,account no.,own account",
)
OTHER = _keys(
    "对方户名,对方账号,对方账户,对方名称,对方单位名称,对方行名,对方开户行,对方账户名称,凭证号,凭证种类",
    "交易网点,交易渠道,手续费,序号,交易行名,对方省市,户名,付款人名称,收款人名称,收(付)方名称,counterparty",
    "payer,payee,fee,no.",
)
HEADER_WORDS = frozenset(
    (
        *TIME,
        *AMOUNT,
        *AMOUNT_IN,
        *AMOUNT_OUT,
        *BALANCE,
        *REFERENCE,
        *MEMO,
        *SERIAL,
        *REFUND_SERIAL,
        *KIND,
        *STATUS,
        *CURRENCY,
        *ACCOUNT,
        *OTHER,
    )
)
# A bank's 贷 is the customer's money in.
KINDS_IN = frozenset(
    _keys(
        "贷,贷方,贷方发生额,贷 Cr,贷(收入),收,收入,来账,入账,转入,存入,存,进,进账,收款,入,c,cr,cr.,credit,in",
        "deposit,交易,支付,消费,payment,+,收方,汇入,客户来账,充值",
    )
)
KINDS_OUT = frozenset(
    _keys(
        "借,借方,借方发生额,借 Dr,借(支出),支,支出,往账,出账,转出,支取,取,出,付,付款,d,dr,dr.,debit,out",
        "withdrawal,退款,退货,退回,refund,-,付方,汇出,客户往账",
    )
)
KINDS_LEFT_OUT = frozenset(
    _keys(
        "手续费,服务费,账户管理费,工本费,网银服务费,短信费,结息,利息,利息收入,存款利息,利息税,不计收支,其他",
        "中性交易,fee,fees,charge,charges,interest,转账手续费,汇款手续费,费用,代发工资,工资,缴税,税款,货款支付",
        "付供应商货款,提现",
    )
)
STATES_PAID = frozenset(
    _keys(
        "交易成功,支付成功,付款成功,已支付,成功,已完成,完成,交易完成,已入账,已到账,入账成功,处理成功,已记账",
        "已清算,记账成功,正常,success,successful,succeeded,completed,complete,settled,posted,paid,booked,已收款",
        "已收钱,对方已收钱",
    )
)
STATES_UNPAID = frozenset(
    _keys(
        "交易关闭,已关闭,关闭,等待付款,待付款,待支付,未支付,失败,交易失败,支付失败,处理中,处理失败,已撤销,撤销",
        "已取消,取消,已冲正,冲正,被冲正,待入账,未入账,已退回,退回,退票,可疑,待处理,超时,closed,pending,failed",
        "failure,cancelled,canceled,reversed,rejected,declined,returned,processing,expired,hold,on hold,未到账",
        "等待处理,无效",
    )
)
# State words of money that went back.
STATES_REFUNDED = frozenset(
    _keys(
        "退款成功,已退款,已全额退款,已部分退款,refunded,refund success",
    )
)
YUAN_WORDS = frozenset(
    _keys(
        "人民币,人民币元,cny,rmb,156,元,¥,￥,cny-人民币,人民币(cny),人民币/cny,yuan,rmb-人民币",
    )
)
LEAVE_ASIDE = re.compile(r"余额|结余|手续费|费率|汇率|合计|balance|fee|rate|税|tax|积分|优惠|券")


def rank(text: object, words: Iterable[str]) -> int | None:
    """Return the place of a header word in a list of words, 0 for the strongest; None where it is not in it."""
    whole, bare = key(text), stem(text)
    for place, word in enumerate(words):
        if word in (whole, bare):
            return place
    return None


def unit_in(text: object) -> str:
    """Return the unit that a header word names: yuan, fen or ""."""
    plain = key(text)
    if re.search(r"\((?:单位:)?分\)|\(fen\)|\(cents?\)|单位:分|[^百角十]分$", plain):
        return "fen"
    return "yuan" if re.search(r"元|yuan|cny|rmb|人民币", plain) else ""
