#!/bin/sh
# SPDX-License-Identifier: MIT
# In place of Xen's own of that name, which besides looks whether two share a disk.
[ "$1" = add ] || exit 0
disk=$(xenstore-read "$XENBUS_PATH/params")
xenstore-write "$XENBUS_PATH/physical-device" "$(stat -L -c %t:%T "$disk")" \
	"$XENBUS_PATH/physical-device-path" "$disk" "$XENBUS_PATH/hotplug-status" connected
