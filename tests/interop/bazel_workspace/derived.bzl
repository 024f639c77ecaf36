"Uses its `base` as oci_image of rules_oci does: a directory, whose blobs it lists, and the one image in index.json."

def _derived(ctx):
    directory = ctx.actions.declare_directory(ctx.label.name)
    ctx.actions.run_shell(
        inputs = [ctx.file.base],
        outputs = [directory],
        arguments = [ctx.file.base.path, directory.path],
        command = '''set -eu
for blob in $(ls -1 -d "$1"/blobs/*/*); do
  algorithm=$(basename "$(dirname "$blob")")
  mkdir -p "$2/blobs/$algorithm"
  cp "$blob" "$2/blobs/$algorithm"
done
cp "$1/oci-layout" "$1/index.json" "$2"
''',
    )
    return DefaultInfo(files = depset([directory]))

derived = rule(implementation = _derived, attrs = {"base": attr.label(allow_single_file = True, mandatory = True)})
