"""Who may do what with images; the names are the image service's own."""

from identity.policy import Mark, declare

declare(
    {
        "get_images": Mark.READER,
        "get_image": Mark.READER,
        "download_image": Mark.READER,
        "add_image": Mark.MEMBER,
        "modify_image": Mark.MEMBER,
        "delete_image": Mark.MEMBER,
        "upload_image": Mark.MEMBER,
        "add_member": Mark.MEMBER,
        "get_members": Mark.READER,
        # Asked with the member as the owning project: it speaks for itself.
        "modify_member": Mark.MEMBER,
        "delete_member": Mark.MEMBER,
        "deactivate": Mark.MEMBER,
        "reactivate": Mark.MEMBER,
        "communitize_image": Mark.MEMBER,
        "publicize_image": Mark.ADMIN,
        "set_image_owner": Mark.ADMIN,
        "download_deactivated_image": Mark.ADMIN,
    }
)
