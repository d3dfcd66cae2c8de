/* SPDX-License-Identifier: MIT */
/* What a compiler has to think about: the standard library's templates, and some of our own. */
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Table {
    using Row = std::tuple<int, std::string, std::vector<std::unique_ptr<Table<N - 1>>>>;
    std::map<std::string, Row> rows;
    std::unordered_map<int, std::variant<int, std::string, std::shared_ptr<Table<N - 1>>>> index;

    long sum() const
    {
        long total = N;
        for (auto &[key, row] : rows) {
            for (auto &table : std::get<2>(row))
                total += table->sum();
            total += long(key.size()) + std::get<0>(row);
        }
        for (auto &[key, value] : index)
            total += std::visit([key = key](auto &v) { return long(sizeof v) * key; }, value);
        return total;
    }
    std::vector<std::string> sorted(std::function<bool(const std::string &, const std::string &)> less) const
    {
        std::vector<std::string> keys;
        for (auto &entry : rows)
            keys.push_back(entry.first);
        std::sort(keys.begin(), keys.end(), less);
        return keys;
    }
};

template <> struct Table<0> {
    long sum() const { return 0; }
};

template <int... N> long all(std::integer_sequence<int, N...>)
{
    return (Table<N + 1>().sum() + ... + 0);
}

long answer()
{
    return all(std::make_integer_sequence<int, TABLES>()) +
           long(Table<TABLES>().sorted(std::greater<std::string>()).size());
}
