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
  digestParts =
    digest:
    let
      parts = builtins.match "([^:]+):(.+)" digest;
    in
    {
      algorithm = builtins.elemAt parts 0;
      hex = builtins.elemAt parts 1;
    };

  # Docker Hub's API is not at the name of the registry.
  apiHost = host: if host == "docker.io" then "registry-1.docker.io" else host;

  sourceParts =
    source:
    let
      parts = builtins.match "([^/]+)/(.+)" source;
    in
    {
      host = builtins.elemAt parts 0;
      repository = builtins.elemAt parts 1;
    };

  blobUrl =
    tlsVerify: digest: source:
    let
      inherit (sourceParts source) host repository;
    in
    "http${if tlsVerify then "s" else ""}://${apiHost host}/v2/${repository}/blobs/${digest}";

  select =
    names: attributes:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = attributes.${name};
      }) names
    );
in
rec {
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

  # One blob of a registry, as a file. Its output hash is its digest, so that it has the same path in every image.
  # `sources` are places that have it, HOST/REPOSITORY. With `downloader = "nix"` Nix itself downloads it, from the first
  # of them, which must need no token.
  fetchBlob =
    {
      digest,
      sources,
      tlsVerify ? true,
      downloader ? "pyskopeo",
    }:
    let
      name = fixName digest;
      fixed = {
        outputHashMode = "flat";
        outputHashAlgo = (digestParts digest).algorithm;
        outputHash = (digestParts digest).hex;
      };
    in
    if downloader == "nix" then
      derivation (
        {
          inherit name;
          system = "builtin";
          builder = "builtin:fetchurl";
          url = blobUrl tlsVerify digest (builtins.head sources);
          executable = false;
          unpack = false;
          preferLocalBuild = true;
        }
        // fixed
      )
    else
      fetch name (
        [
          "blob"
          "get"
          (tlsFlag "" tlsVerify)
        ]
        ++ credentials
        ++ builtins.concatMap (source: [
          "--source"
          "${(sourceParts source).repository}@${(sourceParts source).host}"
        ]) (builtins.tail sources)
        ++ [
          "${builtins.head sources}@${digest}"
          "--output"
          out
        ]
      ) fixed;

  # The images of a lock file (pyskopeo lock): an attribute set with an OCI layout for each, by its name in the lock.
  # Every blob is a derivation of its own, whose output hash is the digest that the lock states; a layout is put together
  # from them and from the manifests in the lock, without a network. It changes only if the image does. Its attribute
  # `blobs` is the list of its blobs, to fetch them before.
  lockedImages =
    {
      lockFile,
      tlsVerify ? true,
      downloader ? "pyskopeo",
    }:
    let
      lock = builtins.fromJSON (builtins.readFile lockFile);
      blobs = builtins.mapAttrs (
        digest: blob:
        fetchBlob {
          inherit digest tlsVerify downloader;
          inherit (blob) sources;
        }
      ) lock.blobs;
      layout =
        name: image:
        let
          isManifest = descriptor: lock.manifests ? ${descriptor.digest};
          # The root first, then in the order of its entries.
          manifests =
            [ image.digest ]
            ++ builtins.filter (digest: digest != image.digest) (
              map (entry: entry.digest) (builtins.filter isManifest image.manifests)
            );
          # An index states what it names in its bytes only, which Nix cannot decode.
          nested = builtins.any (
            digest: digest != image.digest && !(lock.manifests.${digest} ? layers)
          ) manifests;
          named =
            builtins.filter (entry: !(isManifest entry)) image.manifests
            ++ builtins.concatMap (
              digest:
              let
                manifest = lock.manifests.${digest};
              in
              (if manifest ? config then [ manifest.config ] else [ ]) ++ (manifest.layers or [ ])
            ) manifests;
          # Of a digest that is named twice, the first; images may name the same blob by different media types.
          needed =
            if nested then
              lock.blobs
            else
              builtins.listToAttrs (
                map (descriptor: {
                  name = descriptor.digest;
                  value = {
                    inherit (descriptor) mediaType size;
                    inherit (image) sources;
                  };
                }) (builtins.filter (descriptor: lock.blobs ? ${descriptor.digest}) named)
              );
          # What of the lock is about this image, so that it is built again only if the image changes.
          part =
            if nested then
              "${lockFile}"
            else
              builtins.toFile "image.lock" (
                builtins.toJSON {
                  inherit (lock) lockVersion;
                  images.${name} = image;
                  manifests = select manifests lock.manifests;
                  blobs = needed;
                }
              );
        in
        run (fixName name) (
          [
            "layout"
            "assemble"
            "--sparse"
            "--root"
            image.digest
            "--out"
            "oci:${out}:${name}"
            "--from"
            part
          ]
          ++ builtins.concatMap (digest: [
            "--from"
            "${blobs.${digest}}"
          ]) (builtins.attrNames needed)
        ) { }
        // {
          blobs = builtins.attrValues (builtins.intersectAttrs needed blobs);
        };
    in
    builtins.mapAttrs layout lock.images;

  # An OCI layout as a file for `docker load`; `layout` has one image, which gets `name` and `tag`.
  dockerArchive =
    {
      layout,
      name,
      tag ? "latest",
      os ? "linux",
      arch ? "amd64",
    }:
    run "${fixName "docker-image-${name}-${tag}"}.tar" [
      "--override-os"
      os
      "--override-arch"
      arch
      "copy"
      "oci:${layout}"
      "docker-archive:${out}:${name}:${tag}"
    ] { };
}
