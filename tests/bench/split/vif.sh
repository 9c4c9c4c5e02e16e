#!/bin/sh
# SPDX-License-Identifier: MIT
# In place of Xen's vif-bridge, with which it has in common what matters here: xl calls it for each interface.
[ "$1" = online ] || exit 0
ip link set "$vif" master "$(xenstore-read "$XENBUS_PATH/bridge")" up &&
	xenstore-write "$XENBUS_PATH/hotplug-status" connected
