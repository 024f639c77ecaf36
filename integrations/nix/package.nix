# pyskopeo as a package of nixpkgs, from this checkout:
#
#     pkgs.callPackage ./pyskopeo/integrations/nix/package.nix { }
#     pkgs.callPackage ./pyskopeo/integrations/nix/package.nix { extras = [ "serve" "sigstore" ]; }
#
# What it makes can be given to the functions of default.nix: pyskopeo = pkgs.callPackage ...; .
{ lib, python3Packages, installShellFiles, extras ? [ "serve" "socks" ] }:

let
  root = ../..;
  wanted = [ "pyskopeo" "man" "pyproject.toml" "README.md" "LICENSE" ];
  optional = with python3Packages; {
    serve = [ uvicorn starlette h11 httptools bcrypt prometheus-client ];
    metrics = [ prometheus-client ];
    cluster = [ distributed ];
    socks = [ socksio h11 ];
    openpgp = [ pysequoia ];
    sigstore = [ sigstore ];
    signing = [ pynacl ];
  };
  text = builtins.readFile (root + "/pyskopeo/__init__.py");
  version = builtins.head (builtins.match ".*__version__ = \"([^\"]+)\".*" text);
in
python3Packages.buildPythonApplication {
  pname = "pyskopeo";
  inherit version;
  pyproject = true;

  src = builtins.filterSource
    (path: _type:
      let relative = lib.removePrefix (toString root + "/") (toString path);
      in builtins.elem (builtins.head (builtins.split "/" relative)) wanted && !lib.hasSuffix "__pycache__" path)
    root;

  build-system = [ python3Packages.hatchling ];

  dependencies = with python3Packages;
    [ anyio httpx rich pyyaml publicsuffixlist isal cryptography ]
    ++ lib.optional (pythonOlder "3.14") backports-zstd
    ++ lib.concatMap (name: optional.${name}) extras;

  nativeBuildInputs = [ installShellFiles ];

  postInstall = ''
    installShellCompletion --cmd pyskopeo \
      --bash <($out/bin/pyskopeo completion bash) \
      --zsh <($out/bin/pyskopeo completion zsh) \
      --fish <($out/bin/pyskopeo completion fish)
  '';

  # They need registries, which are programs, and a network on loopback.
  doCheck = false;
  pythonImportsCheck = [ "pyskopeo" ];

  meta = {
    description = "Copy container images without a daemon: fast, verified, resumable";
    license = lib.licenses.asl20;
    mainProgram = "pyskopeo";
    platforms = lib.platforms.unix;
  };
}
