// SPDX-License-Identifier: MIT
// Exceptions that cross threads: thrown in one, carried by std::exception_ptr, caught and destroyed
// in another, with containers that unwind on the way. Prints one line; the same on every malloc.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

struct failure : std::runtime_error {
    failure(int n, std::string text) : std::runtime_error(std::move(text)), number(n), load(size_t(n) % 3000, 'x') {}
    int number;
    std::string load;
};

int depth(int n, int level)
{
    std::vector<std::unique_ptr<std::string>> held;
    for (int i = 0; i < 4; i++)
        held.push_back(std::make_unique<std::string>(size_t(n * 7 + level * 31 + i) % 900, char('a' + i)));
    if (level == 0)
        throw failure(n, "thrown " + std::to_string(n));
    return depth(n, level - 1) + int(held.size());
}

} // namespace

int main()
{
    constexpr int threads = 8, rounds = 3000;
    std::mutex guard;
    std::vector<std::exception_ptr> pending;
    std::vector<std::thread> team;
    for (int t = 0; t < threads; t++)
        team.emplace_back([&, t] {
            for (int i = 0; i < rounds; i++) {
                try {
                    depth(t * rounds + i, 6);
                } catch (...) {
                    std::lock_guard<std::mutex> lock(guard);
                    pending.push_back(std::current_exception());
                }
            }
        });
    for (auto &thread : team)
        thread.join();

    std::map<int, std::string> seen;
    uint64_t sum = 0;
    for (auto &error : pending) {
        try {
            std::rethrow_exception(error);
        } catch (const failure &caught) {
            seen[caught.number] = caught.what();
            sum += caught.load.size();
        }
        error = nullptr;
    }
    auto later = std::async(std::launch::async, [] { return depth(42, 3); });
    int through_future = 0;
    try {
        later.get();
    } catch (const failure &caught) {
        through_future = caught.number;
    }
    int refused = 0;
    try {
        volatile size_t huge = SIZE_MAX / 4;
        char *volatile block = new char[huge];
        delete[] block;
    } catch (const std::bad_alloc &) {
        refused = 1;
    }
    std::printf("caught %zu, load %llu, last %s, future %d, refused %d\n", seen.size(),
                static_cast<unsigned long long>(sum), seen.rbegin()->second.c_str(), through_future, refused);
    return 0;
}
