#!/bin/sh
# SPDX-License-Identifier: MIT
# iso.sh ISO HYPERVISOR KERNEL INITRD HYPERVISOR_ARGS KERNEL_ARGS: one ISO that boots by GRUB on BIOS and UEFI.
set -eu
root=$1.d
rm -rf "$root"
mkdir -p "$root/boot/grub"
ln "$2" "$root/boot/skink" 2>/dev/null || cp "$2" "$root/boot/skink"
ln "$3" "$root/boot/vmlinux" 2>/dev/null || cp "$3" "$root/boot/vmlinux"
ln "$4" "$root/boot/initrd" 2>/dev/null || cp "$4" "$root/boot/initrd"
cat > "$root/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
menuentry "Debian on Skink" {
	multiboot2 /boot/skink $5
	module2 /boot/vmlinux $6
	module2 /boot/initrd
}
END
grub-mkrescue -o "$1" "$root" > "$1.log" 2>&1 || { cat "$1.log" >&2; exit 1; }
rm -rf "$root"
