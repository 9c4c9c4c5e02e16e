/* SPDX-License-Identifier: MIT */
/*
 * The first instructions of a guest whose kernel stamp.py has changed: the time goes into the command line, whose
 * beginning is "first=" and 16 more characters; then on to the kernel's own entry point.
 * in: rsi = struct start_info *, as at a PV kernel's entry   out: rsi and rsp as they were
 */
#define START_INFO_CMD_LINE 128

	.text
	rdtsc
	shl $32, %rdx
	or %rdx, %rax
	lea START_INFO_CMD_LINE + 6(%rsi), %rdi
	mov $16, %ecx
1:	rol $4, %rax
	mov %eax, %edx
	and $15, %edx
	add $'a', %dl
	mov %dl, (%rdi)
	inc %rdi
	loop 1b
	movabs $KERNEL_ENTRY, %rax
	jmp *%rax
