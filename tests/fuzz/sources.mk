# Fuzzers: see the Makefile for the names.
FUZZ_TARGETS += hypercalls
FUZZ_hypercalls_SOURCES = tests/fuzz/guests.c tests/unit/event_oracle.c $(ORACLE_SOURCES) $(REAL_CORE_SOURCES) \
	tests/unit/fake-cpu/domain.c hypervisor/sched/vcpu_op.c
