"""The rules for users. See docs/tasks/bazel.md."""

load("//private:images.bzl", _pyskopeo_images = "pyskopeo_images")
load("//private:layout.bzl", _pyskopeo_assemble = "pyskopeo_assemble", _pyskopeo_layout_test = "pyskopeo_layout_test")
load("//private:pull.bzl", _pyskopeo_pull = "pyskopeo_pull")
load("//private:tool.bzl", _pyskopeo_tool = "pyskopeo_tool")

# Repository rules, for a WORKSPACE; with bzlmod, see extensions.bzl.
pyskopeo_images = _pyskopeo_images
pyskopeo_pull = _pyskopeo_pull
pyskopeo_tool = _pyskopeo_tool

# Build rules.
pyskopeo_assemble = _pyskopeo_assemble
pyskopeo_layout_test = _pyskopeo_layout_test
