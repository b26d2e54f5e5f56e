#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace muster::server::codec::internal {

/// The `k` greatest of `n` by `value`, greatest first and the first of equals first; what is no
/// number comes last.
template <class Value>
std::vector<std::int64_t> Greatest(std::int64_t n, std::int64_t k, Value value) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  const auto rank = [&](std::int64_t i) {
    const double v = value(i);
    return std::isnan(v) ? -INFINITY : v;
  };
  const auto end = order.begin() + std::min(n, k);
  std::partial_sort(order.begin(), end, order.end(), [&](std::int64_t a, std::int64_t b) {
    const double va = rank(a);
    const double vb = rank(b);
    return va > vb || (va == vb && a < b);
  });
  order.erase(end, order.end());
  return order;
}

}  // namespace muster::server::codec::internal
