/* SPDX-License-Identifier: MIT */
/* do_vm_assist: switches one bit of domain->vm_assist. */
#include "domain/vm_assist.h"

#include "cpu/cpu.h"
#include "domain/hypercall.h"
#include "domain/vcpu.h"
#include "include/errno.h"

long do_vm_assist(uint64_t command, uint64_t type)
{
	uint64_t *assist = &current_vcpu()->domain->vm_assist;
	uint64_t bit;

	type = (uint32_t)type;
	if (type >= 64 || !(VM_ASSIST_VALID >> type & 1))
		return -EINVAL;
	bit = 1ULL << type;
	switch ((uint32_t)command) {
	case VMASST_CMD_enable:
		__atomic_fetch_or(assist, bit, __ATOMIC_SEQ_CST);
		return 0;
	case VMASST_CMD_disable:
		__atomic_fetch_and(assist, ~bit, __ATOMIC_SEQ_CST);
		return 0;
	default:
		return -ENOSYS;
	}
}
