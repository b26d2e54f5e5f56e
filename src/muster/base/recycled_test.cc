#include "muster/base/recycled.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>

namespace muster::base {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepsBlocks = false;
#else
constexpr bool kKeepsBlocks = true;
#endif

/// Runs on a thread of its own, which has ended afterwards.
template <class F>
void OnAnotherThread(F f) {
  std::thread(std::move(f)).join();
}

/// Takes `count` blocks of `bytes` and gives them back.
std::set<void*> TakeAndGive(std::size_t count, std::size_t bytes) {
  std::set<void*> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.insert(TakeRecycled(bytes));
  for (void* block : blocks) GiveRecycled(block, bytes);
  return blocks;
}

TEST(Recycled, BlocksOfAnySizeAreAlignedAndTheCallersToTheLastByte) {
  std::vector<std::pair<unsigned char*, std::size_t>> blocks;
  for (std::size_t bytes :
       {0, 1, 55, 56, 57, 63, 64, 119, 120, 121, 4087, 4088, 4089, 8184, 8185, 100'000}) {
    auto* block = static_cast<unsigned char*>(TakeRecycled(bytes));
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(block) % kRecycledAlignment, 0u) << bytes;
    std::memset(block, static_cast<int>(blocks.size()), bytes);
    blocks.emplace_back(block, bytes);
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    for (std::size_t at = 0; at < bytes; ++at) ASSERT_EQ(block[at], i) << bytes;
    GiveRecycled(block, bytes);
  }
}

TEST(Recycled, WhatIsGivenBackIsTakenAgain) {
  if (!kKeepsBlocks) GTEST_SKIP();
  OnAnotherThread([] {
    const std::set<void*> first = TakeAndGive(10, 200);
    EXPECT_EQ(first.size(), 10u);
    EXPECT_EQ(TakeAndGive(10, 130), first);  // of the same size class
  });
}

TEST(Recycled, WhatAnotherThreadGivesBackReturnsToTheOneThatTookIt) {
  if (!kKeepsBlocks) GTEST_SKIP();
  OnAnotherThread([] {
    std::set<void*> blocks;
    for (int i = 0; i < 10; ++i) blocks.insert(TakeRecycled(200));
    OnAnotherThread([&] {
      for (void* block : blocks) GiveRecycled(block, 200);
    });
    EXPECT_EQ(TakeAndGive(10, 200), blocks);
  });
}

TEST(Recycled, WhatOutlivesItsThreadMayStillBeGivenBack) {
  void* block = nullptr;
  OnAnotherThread([&] { block = TakeRecycled(200); });
  std::memset(block, 1, 200);
  GiveRecycled(block, 200);
}

TEST(Recycled, ManyThreadsHandBlocksToEachOther) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 2'000;
  using Value = std::shared_ptr<std::uint64_t>;
  std::array<std::atomic<Value*>, 64> places{};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRounds; ++i) {
        const auto number = static_cast<std::uint64_t>(t * kRounds + i);
        auto* value = new Value(
            std::allocate_shared<std::uint64_t>(Recycled<std::uint64_t>(), number * places.size()));
        const std::unique_ptr<Value> other(
            places[number * 7 % places.size()].exchange(value, std::memory_order_acq_rel));
        // A block that two hold at once would have been written over.
        if (other == nullptr) continue;
        EXPECT_EQ(**other % places.size(), 0u);
        **other = 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& place : places) delete place.load();
}

TEST(Recycled, VectorsGrowInIt) {
  RecycledVector<int> numbers;
  for (int i = 0; i < 10'000; ++i) numbers.push_back(i);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
}

}  // namespace
}  // namespace muster::base
