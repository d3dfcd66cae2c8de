/* SPDX-License-Identifier: MIT */
/*
 * This program is written in C and has no C++ library until it loads one; that
 * library, and libstdc++ with it, then allocates from hakmem and goes away again.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/support.h"
#include "support/api.h"

struct plugin {
    void *handle;
    size_t (*work)(int rounds);
    void *(*new)(size_t size);
    void (*delete)(void *block);
    int (*catches_bad_alloc)(size_t size);
};

static void *find(void *handle, const char *name)
{
    void *symbol = dlsym(handle, name);

    require(symbol != NULL);
    return symbol;
}

static void load(struct plugin *plugin)
{
    char path[4096];

    program_beside(".libs/plugin.so", path, sizeof path);
    plugin->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (plugin->handle == NULL)
        note("%s", dlerror());
    require(plugin->handle != NULL);
    *(void **)&plugin->work = find(plugin->handle, "plugin_work");
    *(void **)&plugin->new = find(plugin->handle, "plugin_new");
    *(void **)&plugin->delete = find(plugin->handle, "plugin_delete");
    *(void **)&plugin->catches_bad_alloc = find(plugin->handle, "plugin_catches_bad_alloc");
}

static void unload(struct plugin *plugin)
{
    require(dlclose(plugin->handle) == 0);
}

static void operators_of_a_loaded_library(void)
{
    struct plugin plugin;
    void *block;

    load(&plugin);
    block = plugin.new(100);
    require(is_served(block));
    plugin.delete(malloc(100)); /* one allocator, both ways */
    free(block);
    require(plugin.catches_bad_alloc(opaque(SIZE_MAX / 4)) == 1);
    require(plugin.catches_bad_alloc(1000) == 0);
    unload(&plugin);
}

static void *work_main(void *argument)
{
    struct plugin *plugin = argument;

    require(plugin->work(100) > 0);
    return NULL; /* its thread_local objects go; until then the library cannot be unloaded */
}

static void loaded_many_times(void)
{
    size_t early = 0;

    for (int i = 0; i < 200; i++) {
        struct plugin plugin;
        pthread_t thread;
        void *kept;

        load(&plugin);
        require(pthread_create(&thread, NULL, work_main, &plugin) == 0);
        require(pthread_join(thread, NULL) == 0);
        kept = plugin.new(1000);
        unload(&plugin);
        free(kept); /* made by a library that is gone */
        if (i == 50)
            early = footprint();
    }
    require_at_most(footprint(), early + MIB(2));
    require(hakmem_audit(STDERR_FILENO) == 0);
}

static void used_by_threads(void)
{
    for (int i = 0; i < 30; i++) {
        struct plugin plugin;
        pthread_t thread[4];

        load(&plugin);
        for (int t = 0; t < 4; t++)
            require(pthread_create(&thread[t], NULL, work_main, &plugin) == 0);
        for (int t = 0; t < 4; t++)
            require(pthread_join(thread[t], NULL) == 0);
        unload(&plugin);
    }
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/* Loaded by one thread, unloaded by another, at work in a third at exit. */
static struct plugin left;

static void *endless_main(void *argument)
{
    (void)argument;
    for (;;)
        left.work(10);
    return NULL;
}

static void loaded_at_exit(void)
{
    pthread_t thread;

    load(&left);
    require(left.work(100) > 0);
    require(pthread_create(&thread, NULL, work_main, &left) == 0);
    require(pthread_join(thread, NULL) == 0);
}

static void *load_main(void *argument)
{
    load(argument);
    return NULL;
}

static void unloaded_by_another_thread(void)
{
    for (int i = 0; i < 30; i++) {
        struct plugin plugin;
        pthread_t thread;

        require(pthread_create(&thread, NULL, load_main, &plugin) == 0);
        require(pthread_join(thread, NULL) == 0);
        require(plugin.work(20) > 0);
        unload(&plugin);
    }
    require(hakmem_audit(STDERR_FILENO) == 0);
}

/* A library of the system goes while a thread of ours is busy elsewhere. */
static void beside_a_busy_thread(void)
{
    pthread_t thread;

    load(&left);
    require(pthread_create(&thread, NULL, endless_main, NULL) == 0);
    for (int i = 0; i < 50; i++) {
        struct plugin plugin;

        load(&plugin);
        require(plugin.work(5) > 0);
        unload(&plugin);
    }
    _exit(0);
}

static const struct scenario scenarios[] = {
    {"operators_of_a_loaded_library", operators_of_a_loaded_library},
    {"loaded_many_times", loaded_many_times},
    {"used_by_threads", used_by_threads},
    {"loaded_at_exit", loaded_at_exit},
    {"unloaded_by_another_thread", unloaded_by_another_thread},
    {"beside_a_busy_thread", beside_a_busy_thread},
    {NULL, NULL},
};

static void a_library_that_is_loaded_late_gets_our_operators(void **state)
{
    (void)state;
    assert_scenario_passes("operators_of_a_loaded_library");
}

static void loading_and_unloading_leaves_no_memory_behind(void **state)
{
    (void)state;
    assert_scenario_passes("loaded_many_times");
}

static void objects_of_threads_are_destroyed(void **state)
{
    (void)state;
    assert_scenario_passes("used_by_threads");
}

static void a_library_may_be_loaded_at_exit(void **state)
{
    (void)state;
    assert_scenario_passes("loaded_at_exit");
}

static void another_thread_may_unload(void **state)
{
    (void)state;
    assert_scenario_passes("unloaded_by_another_thread");
}

static void loading_works_beside_a_busy_thread(void **state)
{
    (void)state;
    assert_scenario_passes("beside_a_busy_thread");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_that_is_loaded_late_gets_our_operators),
        cmocka_unit_test(loading_and_unloading_leaves_no_memory_behind),
        cmocka_unit_test(objects_of_threads_are_destroyed),
        cmocka_unit_test(a_library_may_be_loaded_at_exit),
        cmocka_unit_test(another_thread_may_unload),
        cmocka_unit_test(loading_works_beside_a_busy_thread),
    };

    scenario_dispatch(argc, argv, scenarios);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
