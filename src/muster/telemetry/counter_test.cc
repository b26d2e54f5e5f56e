#include "muster/telemetry/counter.h"

#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace muster::telemetry {
namespace {

TEST(Counter, AddsOneUnlessToldOtherwise) {
  Counter counter;
  counter.Add();
  counter.Add(41);
  EXPECT_EQ(counter.value(), 42u);
}

TEST(Counter, LosesNothingToOtherThreads) {
  Counter counter;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 10'000; ++i) counter.Add();
      });
    }
  }
  EXPECT_EQ(counter.value(), 40'000u);
}

}  // namespace
}  // namespace muster::telemetry
