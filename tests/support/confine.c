/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a command under a rule about executable memory: confine RULE COMMAND [ARGUMENT...].
 *
 *   seccomp  what systemd's MemoryDenyWriteExecute forbids (systemd.exec(5); seccomp-util.c,
 *            seccomp_memory_deny_write_execute): mmap of what is writable and executable, mprotect
 *            and pkey_mprotect to executable, shmat of executable
 *   mdwe     prctl(PR_SET_MDWE), which Linux has from 6.3 on; exit status 77 where it has not
 *   memfd    memory files are refused
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE              65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif

#define LOAD(field)        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (yes), (no))
#define AND(mask)          BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (mask))
#define ALLOW              BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE             BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
/* Refuses system call NUMBER if all of FLAGS are in its third argument; six instructions. */
#define REFUSE_WITH(number, flags)                                                                 \
    LOAD(nr), IF(number, 0, 4), LOAD(args[2]), AND(flags), IF(flags, 0, 1), REFUSE

static int install(struct sock_filter *filter, unsigned short length)
{
    const struct sock_fprog program = {.len = length, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
               ? prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)
               : -1;
}

static int deny_write_execute(void)
{
    struct sock_filter filter[] = {
        REFUSE_WITH(SYS_mmap, PROT_WRITE | PROT_EXEC),
        REFUSE_WITH(SYS_mprotect, PROT_EXEC),
        REFUSE_WITH(SYS_pkey_mprotect, PROT_EXEC),
        REFUSE_WITH(SYS_shmat, SHM_EXEC),
        ALLOW,
    };
    return install(filter, sizeof(filter) / sizeof(filter[0]));
}

static int deny_memory_files(void)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        IF(SYS_memfd_create, 0, 1),
        REFUSE,
        ALLOW,
    };
    return install(filter, sizeof(filter) / sizeof(filter[0]));
}

int main(int argc, char **argv)
{
    int result = -1;
    if (argc < 3) {
        fprintf(stderr, "usage: confine seccomp|mdwe|memfd COMMAND [ARGUMENT...]\n");
        return 2;
    }
    if (strcmp(argv[1], "seccomp") == 0) {
        result = deny_write_execute();
    } else if (strcmp(argv[1], "memfd") == 0) {
        result = deny_memory_files();
    } else if (strcmp(argv[1], "mdwe") == 0) {
        result = prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
        if (result != 0 && errno == EINVAL) {
            return 77;
        }
    }
    if (result != 0) {
        perror("confine");
        return 2;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 2;
}
