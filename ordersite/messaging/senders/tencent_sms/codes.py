"""Tencent Cloud's error codes as data. A row that ends in a dot stands for its whole class.

Sources: cloud.tencent.com/document/api/382/59177 (sending), cloud.tencent.com/document/api/382/52075 (common).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ordersite.messaging.senders.report_forms import until_midnight

SUCCESS = "Ok"
_BY_CODE: Mapping[str, str] = {
    "limit_reached": "LimitExceeded LimitExceeded.",
    "day_limit_reached": "LimitExceeded.DailyLimit LimitExceeded.AppDailyLimit LimitExceeded.AppMainlandChinaDailyLimit"
    " LimitExceeded.AppCountryOrRegionDailyLimit LimitExceeded.AppCountryOrRegionInBlacklist"
    " LimitExceeded.AppGlobalDailyLimit",
    "throttled": "RequestLimitExceeded RequestLimitExceeded.",
    "blocked": "FailedOperation.PhoneNumberInBlacklist",
    "bad_address": "InvalidParameterValue.IncorrectPhoneNumber InvalidParameterValue.ProhibitSendSmsToDomestic"
    " LimitExceeded.PhoneNumberCountLimit UnsupportedOperation. FailedOperation.PhoneNumberOnShutdown",
    "out_of_funds": "FailedOperation.InsufficientBalanceInSmsPackage FailedOperation.NotEnterpriseCertification"
    " UnauthorizedOperation.SerivceSuspendDueToArrears",
    "bad_template": "FailedOperation.SignatureIncorrectOrUnapproved FailedOperation.TemplateIncorrectOrUnapproved"
    " FailedOperation.TemplateUnapprovedOrNotExist FailedOperation.MissingSignature FailedOperation.MissingTemplateList"
    " InvalidParameterValue.TemplateIdNotExist FailedOperation.MissingSignatureToModify",
    "bad_content": "FailedOperation.ContainSensitiveWord FailedOperation.TemplateParamSetNotMatchApprovedTemplate"
    " FailedOperation.JsonParseFail FailedOperation.FailResolvePacket FailedOperation.TemplateAlreadyPassedCheck"
    " InvalidParameterValue. InvalidParameter InvalidParameter. MissingParameter MissingParameter.",
    "bad_keys": "AuthFailure. UnauthorizedOperation UnauthorizedOperation. InvalidParameterValue.SdkAppIdNotExist"
    " InternalError.SigVerificationFail InternalError.SigFieldMissing InvalidParameter.AppidAndBizId IpInBlacklist"
    " IpNotInWhitelist NoSuchVersion NoSuchProduct InvalidAction UnsupportedProtocol UnsupportedRegion ActionOffline",
    "busy": "ResourceUnavailable ResourceInsufficient FailedOperation.MarketingSendTimeConstraint",
    # Among them is the time-out between Tencent's own parts.
    "unknown": "InternalError InternalError.",
}
CODES: Mapping[str, str] = {code: ours for ours, codes in _BY_CODE.items() for code in codes.split()}
_PAUSES = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": timedelta(seconds=30),
    "LimitExceeded.PhoneNumberOneHourLimit": timedelta(hours=1),
}
_OF_A_DAY = frozenset(
    ("LimitExceeded.PhoneNumberDailyLimit", "LimitExceeded.PhoneNumberSameContentDailyLimit")
)


def pause_of(code: str) -> timedelta | None:
    """How long a limit of one number lasts; None where the code does not say."""
    return timedelta(seconds=until_midnight()) if code in _OF_A_DAY else _PAUSES.get(code)
