#!/usr/bin/env bash
# Makes a base image out of Debian's packages, for machines that reach no registry: scripts/base_image.sh NAME
# Takes root and debootstrap, which knows where Debian is unless RMQ_DEBIAN_MIRROR says so. Certificate authorities that this machine's administrator has added are in it, so that
# packages can be fetched through the same proxies as here.
set -euo pipefail

name=$1
suite=bookworm
folder=$(mktemp -d "${TMPDIR:-/tmp}/rmq-base.XXXXXX")
trap 'rm -rf --one-file-system "$folder"' EXIT

echo "rmq: making $name out of Debian's packages; it takes a minute or more" >&2
debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder" ${RMQ_DEBIAN_MIRROR:+"$RMQ_DEBIAN_MIRROR"} >"$folder.log" 2>&1 || {
    tail -n 20 "$folder.log" >&2
    exit 1
}
rm -f "$folder.log"
for certificate in /usr/local/share/ca-certificates/*.crt; do
    [ -e "$certificate" ] && cp "$certificate" "$folder/usr/local/share/ca-certificates/"
done
chroot "$folder" update-ca-certificates >/dev/null 2>&1
# As in Debian's own slim images: no documentation, no texts in other languages, nothing that apt can fetch again.
printf 'path-exclude /usr/share/%s/*\n' doc info locale man >"$folder/etc/dpkg/dpkg.cfg.d/docker"
printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n' >"$folder/etc/apt/apt.conf.d/docker"
rm -rf "$folder"/usr/share/{doc,info,locale,man}/* "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/var/log/*
tar --numeric-owner -C "$folder" -c . | docker import --change 'CMD ["bash"]' - "$name" >/dev/null
