"Downloads as oci_pull of rules_oci does: by Bazel itself, all blobs at once."

def _downloads(rctx):
    waiting = [
        rctx.download(url = rctx.attr.url + "sha256:" + sha256, output = sha256, sha256 = sha256, block = False)
        for sha256 in rctx.attr.blobs
    ]
    for one in waiting:
        one.wait()
    rctx.file("BUILD.bazel", "exports_files(glob(['*']))")

downloads = repository_rule(
    implementation = _downloads,
    attrs = {"blobs": attr.string_list(), "url": attr.string()},
)
