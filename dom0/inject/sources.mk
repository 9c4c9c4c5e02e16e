# The injector of faults: build/dom0/inject
DOM0_INJECT_SOURCES += dom0/inject/decode.c dom0/inject/faults.c dom0/inject/faults_device.c dom0/inject/faults_flow.c \
	dom0/inject/faults_hog.c dom0/inject/faults_interrupt.c dom0/inject/faults_ring.c dom0/inject/faults_state.c dom0/inject/faults_table.c dom0/inject/faults_text.c \
	dom0/inject/image.c dom0/inject/main.c dom0/inject/reach.c dom0/inject/victim.c
