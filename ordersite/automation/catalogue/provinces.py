"""The provinces as people say them; `logistics` knows the endings of the official names."""

from __future__ import annotations

PROVINCES = tuple(
    (name, name)
    for name in (
        "北京", "天津", "河北", "山西", "内蒙古", "辽宁", "吉林", "黑龙江", "上海", "江苏", "浙江", "安徽", "福建",
        "江西", "山东", "河南", "湖北", "湖南", "广东", "广西", "海南", "重庆", "四川", "贵州", "云南", "西藏", "陕西",
        "甘肃", "青海", "宁夏", "新疆", "台湾", "香港", "澳门",
    )
)  # fmt: skip
