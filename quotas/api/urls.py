"""Routes of the quotas API, without their prefix."""

from django.urls import URLPattern, URLResolver, path

from quotas.api import limits, quota_class_sets, quota_sets, statements

urlpatterns: list[URLPattern | URLResolver] = [
    path("limits", limits.LimitsView.as_view()),
    path("os-quota-sets/<str:target_id>", quota_sets.QuotaSetView.as_view()),
    path("os-quota-sets/<str:target_id>/detail", quota_sets.QuotaSetDetailView.as_view()),
    path("os-quota-sets/<str:target_id>/defaults", quota_sets.QuotaSetDefaultsView.as_view()),
    path("os-quota-sets/<str:target_id>/cloudportal:statement", statements.StatementView.as_view()),
    path("os-quota-class-sets/<str:class_name>", quota_class_sets.QuotaClassSetView.as_view()),
]
