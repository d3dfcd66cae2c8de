// SPDX-License-Identifier: MIT
// A C++ library that is loaded and unloaded: objects that live as long as it
// does, objects of threads, exceptions.
#include <cstddef>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

static std::map<int, std::string> long_lived = {{1, std::string(100, 'a')},
                                                 {2, std::string(5000, 'b')}};
static std::mutex long_lived_mutex;
static thread_local std::vector<std::string> of_thread;

extern "C" {

// Allocates in many ways, throws and catches; the sum of sizes proves that it ran.
std::size_t plugin_work(int rounds)
{
    std::size_t sum = 0;
    for (int i = 0; i < rounds; i++) {
        std::vector<std::string> words;
        for (int word = 0; word < 50; word++)
            words.push_back(std::string(static_cast<std::size_t>(word * i % 3000), 'x'));
        try {
            throw std::runtime_error(words[49]);
        } catch (const std::exception &error) {
            sum += std::string(error.what()).size();
        }
        of_thread.push_back(words[10]);
        std::lock_guard<std::mutex> guard(long_lived_mutex);
        long_lived[i % 20] = words[i % 50];
    }
    return sum;
}

void *plugin_new(std::size_t size)
{
    return ::operator new(size);
}

void plugin_delete(void *block)
{
    ::operator delete(block);
}

// 1 when an allocation that cannot be had throws bad_alloc.
int plugin_catches_bad_alloc(std::size_t size)
{
    try {
        ::operator delete(::operator new(size));
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}
}
