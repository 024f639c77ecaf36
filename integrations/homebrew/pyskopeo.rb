# The formula for Homebrew: one file, with all dependencies inside, and Homebrew's Python.
# `scripts/release --url URL` fills in url, sha256 and version, and writes it beside the other files of a release.
class Pyskopeo < Formula
  desc "Copy container images without a daemon: fast, verified, resumable"
  homepage "https://example.com/pyskopeo"
  url "https://example.com/pyskopeo-0.1.0.pyz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  version "0.1.0"
  license "Apache-2.0"

  depends_on "python@3.13"

  def install
    libexec.install "pyskopeo-#{version}.pyz" => "pyskopeo.pyz"
    python = Formula["python@3.13"].opt_bin/"python3.13"
    (bin/"pyskopeo").write <<~SH
      #!/bin/sh
      exec "#{python}" -I -S "#{libexec}/pyskopeo.pyz" "$@"
    SH
    (bin/"docker-credential-pyskopeo").write <<~SH
      #!/bin/sh
      exec "#{python}" -I -S "#{libexec}/pyskopeo.pyz" credential-helper "docker-$1"
    SH
    chmod 0755, [bin/"pyskopeo", bin/"docker-credential-pyskopeo"]
    generate_completions_from_executable(bin/"pyskopeo", "completion")
  end

  test do
    assert_match "pyskopeo version #{version}", shell_output("#{bin}/pyskopeo --version")
    (testpath/"layout/oci-layout").write '{"imageLayoutVersion":"1.0.0"}'
    (testpath/"layout/index.json").write '{"schemaVersion":2,"manifests":[]}'
    system bin/"pyskopeo", "layout", "verify", "oci:layout"
  end
end
