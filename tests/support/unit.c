/* SPDX-License-Identifier: MIT */
#include "support/unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options/files.h"
#include "os/os.h"
#include "support/support.h"

int unit_defaults(void **state)
{
    (void)state;
    os_fail_after(-1);
    if (mprotect(&hakmem_options, sizeof hakmem_options, PROT_READ | PROT_WRITE) != 0)
        return -1;
    files_directory = "/nonexistent"; /* not what this machine has */
    options_start(NULL, false);
    return 0;
}

char unit_messages[8192];

void unit_options_start(char *const *envp, bool secure)
{
    char name[] = "/tmp/test_unit_XXXXXX";
    int file = mkstemp(name), kept = dup(2);

    require(file >= 0 && kept >= 0);
    unlink(name);
    require(dup2(file, 2) == 2);
    options_start(envp, secure);
    dup2(kept, 2);
    close(kept);

    ssize_t length = pread(file, unit_messages, sizeof unit_messages - 1, 0);

    require(length >= 0);
    unit_messages[length] = '\0';
    close(file);
}

int unit_child_status(void (*body)(void))
{
    int status;
    pid_t child = fork();

    require(child >= 0);
    if (child == 0) {
        /* cmocka and the sanitizers catch these */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGILL, SIG_DFL);
        signal(SIGTRAP, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        body();
        _exit(0);
    }
    require(waitpid(child, &status, 0) == child);
    return status;
}
