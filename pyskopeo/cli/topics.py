"""What ``pyskopeo help TOPIC`` tells: what several commands have in common."""

from __future__ import annotations

from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """A page of help; ``summary`` is its line in the overview, ``text`` is as `parse_description` reads it."""

    title: str
    summary: str
    text: str


ABOUT_HELP = Topic(
    "Help",
    "Show the help text of a command or a topic",
    """\
  pyskopeo help                    all commands
  pyskopeo help COMMAND            a command, as pyskopeo COMMAND --help
  pyskopeo help COMMAND COMMAND    a command of a group, such as layout verify
  pyskopeo help TOPIC              what commands have in common: image-names, exit-codes, environment

Help is as wide as the terminal, and has colours there, unless NO_COLOR is set or TERM is dumb. In a pipe it has 80 \
columns: pyskopeo copy --help | less. The manual page, man pyskopeo, has all of it.""",
)

TOPICS = {
    "image-names": Topic(
        "Names of images",
        "How images are named: docker://..., oci:...",
        """\
The name of an image is a transport, a colon, and details. What is in brackets may be left out.

  docker://[HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]  an image in a registry: by default docker.io, and tag latest
  docker-daemon:NAME:TAG  an image of the Docker daemon; to read also NAME@DIGEST, and sha256:ID
  oci:DIR[:NAME]  an image in an OCI layout, which is a directory; to read also oci:DIR:@N, the entry at position N
  oci-archive:FILE[:NAME]  an image in a tar archive of an OCI layout
  docker-archive:FILE[:NAME:TAG]  an image in an archive as docker save writes it; - is standard input or output
  dir:DIR  one image in a directory of its own, as files
  tarball:FILE[:FILE...]  an image of tar archives, each a layer; only to read, - is standard input

Which of several images of a list is meant, one for each platform, is said by flags such as --platform and --all; \
without them it is the one for linux on the architecture of this machine.""",
    ),
    "exit-codes": Topic(
        "Exit codes",
        "What the exit codes mean",
        """\
  0  success
  1  failure: a line on standard error says what has failed, and where
  2  the image, the tag or the blob does not exist
  3  something is missing that may not be fetched: with --offline, and for layout missing, complete and assemble
  130, 143  interrupted by Ctrl-C, terminated by SIGTERM

Commands that compare or verify end with 1 if they find a difference or a fault.""",
    ),
    "environment": Topic(
        "Environment variables",
        "Environment variables that are used",
        """\
  PYSKOPEO_FLAG, PYSKOPEO_COMMAND_FLAG  value of a flag for all commands, or for one: see pyskopeo config
  PYSKOPEO_CONFIG  file with such values in place of pyskopeo/config.toml in $XDG_CONFIG_HOME or ~/.config
  PYSKOPEO_STORE  directory of the content store, as --store
  REGISTRY_AUTH_FILE  file with the credentials of registries, as --authfile
  DOCKER_CONFIG  directory of Docker's config.json, which may hold credentials (default: ~/.docker)
  DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH  where the Docker daemon is, and its certificates
  CONTAINERS_POLICY_JSON  the policy that decides which images are accepted, as --policy
  CONTAINERS_REGISTRIES_CONF  the file to use as registries.conf
  CONTAINERS_REGISTRIES_CONF_OVERRIDE  a file that is read after registries.conf
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY  proxies, and for which hosts there is none; lower case works, too
  SSL_CERT_FILE, SSL_CERT_DIR  certificate authorities in place of the system's
  TMPDIR  directory for large temporary files, as --tmpdir
  XDG_CONFIG_HOME, XDG_CACHE_HOME, XDG_RUNTIME_DIR  where configuration, caches and credentials of the session are
  SOURCE_DATE_EPOCH  the time of the links that layout link-names makes, in seconds
  NO_COLOR  if it is set, nothing is coloured""",
    ),
}
