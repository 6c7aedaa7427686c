"""Aliyun's error codes as data.

Sources: help.aliyun.com/document_detail/101346.html (isv, isp), the common errors of the gateway
(help.aliyun.com/document_detail/2593177.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from ordersite.messaging.senders.report_forms import until_midnight

SUCCESS = "OK"
_BY_CODE: Mapping[str, str] = {
    "limit_reached": "isv.BUSINESS_LIMIT_CONTROL",
    "day_limit_reached": "isv.DAY_LIMIT_CONTROL isv.MONTH_LIMIT_CONTROL",
    "bad_address": "isv.MOBILE_NUMBER_ILLEGAL isv.MOBILE_COUNT_OVER_LIMIT isv.DOMESTIC_NUMBER_NOT_SUPPORTED"
    " isv.PHONENUMBERS_OVER_LIMIT",
    "blocked": "isv.BLACK_KEY_CONTROL_LIMIT MOBILE_IN_BLACK",
    "bad_content": "isv.SMS_CONTENT_ILLEGAL isv.PARAM_LENGTH_LIMIT isv.PARAM_NOT_SUPPORT_URL isv.INVALID_JSON_PARAM"
    " isv.TEMPLATE_MISSING_PARAMETERS isv.TEMPLATE_PARAMS_ILLEGAL isv.INVALID_PARAMETERS"
    " isv.SMS_CONTENT_MISMATCH_TEMPLATE_TYPE",
    "bad_template": "isv.SMS_TEMPLATE_ILLEGAL isv.SMS_SIGNATURE_ILLEGAL isv.SMS_SIGN_ILLEGAL isv.SIGN_NAME_ILLEGAL"
    " isv.SMS_SIGNATURE_SCENE_ILLEGAL isv.SIGN_STATE_ILLEGAL isv.SMS_TEST_SIGN_TEMPLATE_LIMIT"
    " isv.SMS_TEST_TEMPLATE_PARAMS_ILLEGAL isv.SMS_TEST_NUMBER_LIMIT isv.CUSTOMER_MISMATCH",
    "out_of_funds": "isv.OUT_OF_SERVICE isv.AMOUNT_NOT_ENOUGH",
    "bad_keys": "isv.ACCOUNT_NOT_EXISTS isv.ACCOUNT_ABNORMAL isv.PRODUCT_UN_SUBSCRIPT isv.PRODUCT_UNSUBSCRIBE"
    " isp.RAM_PERMISSION_DENY isv.DENY_IP_RANGE SignatureDoesNotMatch IncompleteSignature InvalidTimeStamp.Expired"
    " InvalidTimeStamp.Format InvalidAccessKeyId InvalidAccessKeyId. Forbidden Forbidden. NoPermission"
    " InvalidVersion InvalidAction.NotFound InvalidApi.NotFound UnsupportedOperation MissingAccessKeyId",
    "throttled": "Throttling Throttling. isv.FLOW_CONTROL",
    # A number for one use was used before, or the gateway is too busy to look at the call.
    "busy": "SignatureNonceUsed ServiceUnavailable",
    "unknown": "isp.SYSTEM_ERROR InternalError InternalError.",
}
CODES: Mapping[str, str] = {code: ours for ours, codes in _BY_CODE.items() for code in codes.split()}
# The limit that was hit stands in the message alone: 触发分钟级流控Permits:1.
_MINUTE, _HOUR, _DAY = "分钟级", "小时级", "天级"


def pause_of(message: str) -> timedelta | None:
    """How long isv.BUSINESS_LIMIT_CONTROL lasts; None where the message does not say."""
    if _MINUTE in message:
        return timedelta(minutes=1)
    if _HOUR in message:
        return timedelta(hours=1)
    return timedelta(seconds=until_midnight()) if _DAY in message else None
