from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path

from ordersite.merchant import pages, stock
from ordersite.merchant_webhooks.shop.urls import urlpatterns as webhooks

urlpatterns = [
    path("", pages.home, name="home"),
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=False), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/password/", auth.PasswordChangeView.as_view(), name="password_change"),
    path("accounts/password/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
    path("shop/orders/", pages.order_list, name="shop-orders"),
    path("shop/orders/<str:number>/", pages.order_detail, name="shop-order"),
    path("shop/stock/", stock.stock_list, name="shop-stock"),
    *webhooks,
]
