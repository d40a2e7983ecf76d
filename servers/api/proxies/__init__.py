"""What the compute API shows of other services, under the names of a time before those services.

All of it ends at 2.35, but for the metadata of images, which ends at 2.38.
"""
