"""Routes of the images API."""

from django.urls import URLPattern, URLResolver, path

from images.api.data import ImageData
from images.api.images import Images, NotHere, OneImage, Tag
from images.api.imports import Deactivate, Import, ImportInfo, Reactivate, Tasks
from images.api.members import Members, OneMember
from images.api.schemas import ImageSchema, ImagesSchema, MemberSchema, MembersSchema
from images.api.stage import StagedData
from images.api.usage import Usage
from images.api.versions import Versions

urlpatterns: list[URLPattern | URLResolver] = [
    path("image", Versions.as_view()),
    path("image/versions", Versions.as_view()),
    path("image/v2", Versions.as_view()),
    path("image/v2/schemas/image", ImageSchema.as_view()),
    path("image/v2/schemas/images", ImagesSchema.as_view()),
    path("image/v2/schemas/member", MemberSchema.as_view()),
    path("image/v2/schemas/members", MembersSchema.as_view()),
    path("image/v2/info/import", ImportInfo.as_view()),
    path("image/v2/info/usage", Usage.as_view()),
    path("image/v2/info/stores", NotHere.as_view()),
    path("image/v2/images", Images.as_view()),
    path("image/v2/images/<str:image_id>", OneImage.as_view()),
    path("image/v2/images/<str:image_id>/file", ImageData.as_view()),
    path("image/v2/images/<str:image_id>/stage", StagedData.as_view()),
    path("image/v2/images/<str:image_id>/import", Import.as_view()),
    path("image/v2/images/<str:image_id>/tasks", Tasks.as_view()),
    path("image/v2/images/<str:image_id>/actions/deactivate", Deactivate.as_view()),
    path("image/v2/images/<str:image_id>/actions/reactivate", Reactivate.as_view()),
    path("image/v2/images/<str:image_id>/members", Members.as_view()),
    path("image/v2/images/<str:image_id>/members/<str:member>", OneMember.as_view()),
    path("image/v2/images/<str:image_id>/tags/<str:tag>", Tag.as_view()),
]
