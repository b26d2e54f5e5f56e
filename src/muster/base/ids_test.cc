#include "muster/base/ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <thread>
#include <vector>

namespace muster::base {
namespace {

TEST(NewRequestId, IsReqAndSixteenHexadecimalDigits) {
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewRequestId();
    ASSERT_EQ(id.size(), 20u);
    ASSERT_EQ(id.substr(0, 4), "req_");
    ASSERT_EQ(id.find_first_not_of("0123456789abcdef", 4), std::string::npos) << id;
  }
}

TEST(NewRequestId, DiffersFromCallToCallAndFromThreadToThread) {
  constexpr std::size_t kThreads = 4, kIds = 1000;
  std::vector<std::vector<std::string>> of_thread(kThreads);
  {
    std::vector<std::jthread> threads;
    for (auto& ids : of_thread) {
      threads.emplace_back([&ids] {
        for (std::size_t i = 0; i < kIds; ++i) ids.push_back(NewRequestId());
      });
    }
  }
  std::set<std::string> all;
  for (const auto& ids : of_thread) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), kThreads * kIds);
}

}  // namespace
}  // namespace muster::base
