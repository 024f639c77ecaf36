# Container images as fixed-output derivations that pyskopeo fetches. Needs no nixpkgs.
#
#   with import ./integrations/nix { pyskopeo = ./pyskopeo.pyz; python = pkgs.python3; };
#   pullImage { imageName = "alpine"; imageDigest = "sha256:..."; hash = "sha256-..."; }
{
  # The single file pyskopeo-X.Y.Z.pyz, if `python` is given; else a package, or the path of the program.
  pyskopeo,
  # A package of Python, or the path of the interpreter, that runs the single file.
  python ? null,
  system ? builtins.currentSystem,
  # A file of certificate authorities, such as "${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt"; null: those of the builder.
  caBundle ? null,
  # The path, on the machine that builds, of a file with credentials. It is not copied to the store; a sandbox needs it
  # among its extra-sandbox-paths.
  authFile ? null,
}:

let
  program = package: name: if builtins.isAttrs package then "${package}/bin/${name}" else toString package;

  # -I: nothing but the file itself decides what it does.
  command =
    if python == null then
      [ (program pyskopeo "pyskopeo") ]
    else
      [
        (program python "python3")
        "-I"
        "${pyskopeo}"
      ];

  out = builtins.placeholder "out";

  run =
    name: arguments: attributes:
    derivation (
      {
        inherit name system;
        builder = builtins.head command;
        args = builtins.tail command ++ [ "--insecure-policy" ] ++ arguments;
        preferLocalBuild = true;
      }
      // (if caBundle == null then { } else { SSL_CERT_FILE = "${caBundle}"; })
      // attributes
    );

  # Fixed-output derivations have the network, and see these variables of the daemon's environment.
  fetch =
    name: arguments: attributes:
    run name arguments (
      {
        outputHashAlgo = "sha256";
        impureEnvVars = [
          "http_proxy"
          "https_proxy"
          "all_proxy"
          "no_proxy"
          "HTTP_PROXY"
          "HTTPS_PROXY"
          "ALL_PROXY"
          "NO_PROXY"
        ];
      }
      // attributes
    );

  tlsFlag = prefix: value: "--${prefix}tls-verify=${if value then "true" else "false"}";

  optionals = condition: list: if condition then list else [ ];

  credentials = optionals (authFile != null) [
    "--authfile"
    (toString authFile)
  ];

  fixName = builtins.replaceStrings [ "/" ":" "@" ] [ "-" "-" "-" ];

  formats = {
    docker-archive = {
      extension = ".tar";
      mode = "flat";
      destination = name: tag: "docker-archive:${out}:${name}:${tag}";
    };
    oci-archive = {
      extension = ".tar";
      mode = "flat";
      destination = name: tag: "oci-archive:${out}:${tag}";
    };
    oci = {
      extension = "";
      mode = "recursive";
      destination = name: tag: "oci:${out}:${tag}";
    };
  };
in
{
  # One image. With the format docker-archive the output is that of nixpkgs' dockerTools.pullImage, byte for byte, so
  # that hashes of either work with the other. Without a hash, the build fails and says which it is.
  pullImage =
    {
      imageName,
      imageDigest,
      hash ? "",
      # The hash in Nix's base 32, as in older files.
      sha256 ? hash,
      # docker-archive, oci-archive, or oci: a directory with an OCI layout.
      format ? "docker-archive",
      os ? "linux",
      arch ? "amd64",
      variant ? "",
      # All platforms of a list; not in a docker-archive.
      allPlatforms ? false,
      finalImageName ? imageName,
      finalImageTag ? "latest",
      tlsVerify ? true,
      name ? fixName "docker-image-${finalImageName}-${finalImageTag}${formats.${format}.extension}",
    }:
    fetch name
      (
        [
          "--override-os"
          os
          "--override-arch"
          arch
        ]
        ++ optionals (variant != "") [
          "--override-variant"
          variant
        ]
        ++ [
          "copy"
          (tlsFlag "src-" tlsVerify)
        ]
        ++ credentials
        ++ optionals allPlatforms [ "--all" ]
        ++ [
          "docker://${imageName}@${imageDigest}"
          (formats.${format}.destination finalImageName finalImageTag)
        ]
      )
      {
        outputHashMode = formats.${format}.mode;
        outputHash = sha256;
      };
}
