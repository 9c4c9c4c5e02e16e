# The command: build/dom0/skink; and build/dom0/skink-validate, which has validate.c in place of beside.c
DOM0_SKINK_SOURCES += dom0/skink/ask.c dom0/skink/beside.c dom0/skink/capture.c dom0/skink/change.c dom0/skink/client.c dom0/skink/complete.c dom0/skink/console.c \
	dom0/skink/create.c dom0/skink/deed.c dom0/skink/devices.c dom0/skink/files.c dom0/skink/help.c dom0/skink/inject.c dom0/skink/life.c dom0/skink/lines.c \
	dom0/skink/main.c dom0/skink/manifests.c dom0/skink/message.c dom0/skink/parse.c dom0/skink/rings.c dom0/skink/show.c dom0/skink/table.c \
	dom0/skink/text.c dom0/skink/top.c dom0/skink/tty.c dom0/skink/units.c dom0/skink/usage.c dom0/skink/validate.c dom0/skink/verbs.c dom0/skink/volumes.c dom0/skink/why.c

# What the Dom0 image installs besides the programs: file=place
DOM0_INSTALL += dom0/skink/completion.bash=usr/share/bash-completion/completions/skink \
	dom0/skink/man/skink.1=usr/share/man/man1/skink.1 dom0/skink/man/skinkd.8=usr/share/man/man8/skinkd.8 \
	dom0/skink/man/skinkd.conf.5=usr/share/man/man5/skinkd.conf.5
