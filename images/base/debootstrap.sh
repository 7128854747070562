#!/bin/sh
# Makes the root file system of the base image, for hosts that no registry answers.
# usage: debootstrap.sh SUITE MIRROR SECURITY_MIRROR WORK_FOLDER > rootfs.tar
set -eu

suite=$1 mirror=$2 security_mirror=$3 work=$4
root=$work/rootfs

bootstrap() {
    debootstrap --force-check-gpg --variant=minbase "$suite" "$root" "$mirror" >&2
}

name_sources() {
    {
        echo "deb $mirror $suite main"
        echo "deb $mirror $suite-updates main"
        echo "deb $security_mirror $suite-security main"
    } >"$root/etc/apt/sources.list"
}

slim() {
    find "$root/usr/share/doc" -type f ! -name copyright -delete
    find "$root/usr/share/doc" -type d -empty -delete
    rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* \
        "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/* "$root"/var/cache/debconf/*-old \
        "$root"/run/* "$root"/tmp/*
    rm -f "$root/etc/hostname" "$root/etc/resolv.conf" "$root/etc/machine-id"
}

rm -rf "$root"
trap 'rm -rf "$root"' EXIT
bootstrap
name_sources
slim
tar --create --numeric-owner --exclude='./dev/*' --directory="$root" .
