#include "muster/base/function.h"

#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace muster::base {
namespace {

// Counts the objects that are alive and how often one that had not been moved from was destroyed.
struct Probe {
  explicit Probe(int* alive, int* ended) : alive_(alive), ended_(ended) { ++*alive_; }
  Probe(Probe&& other) noexcept
      : alive_(other.alive_), ended_(std::exchange(other.ended_, nullptr)) {
    ++*alive_;
  }
  ~Probe() {
    --*alive_;
    if (ended_ != nullptr) ++*ended_;
  }

 private:
  int* alive_;
  int* ended_;
};

struct UniqueFunctionTest : testing::Test {
  int alive = 0;
  int ended = 0;
  UniqueFunction<void()> Inline() {
    return [probe = Probe(&alive, &ended)] {};
  }
  UniqueFunction<void()> OnHeap() {
    return [probe = Probe(&alive, &ended), large = std::array<char, 65>()] { (void)large; };
  }
};

TEST(UniqueFunction, IsEmptyByDefaultAndFromNullptr) {
  EXPECT_FALSE(UniqueFunction<void()>());
  EXPECT_FALSE(UniqueFunction<void()>(nullptr));
}

TEST(UniqueFunction, CallsWithArgumentsAndReturns) {
  UniqueFunction<std::string(std::string, int)> repeat = [](std::string s, int n) {
    std::string out;
    while (n-- > 0) out += s;
    return out;
  };
  ASSERT_TRUE(repeat);
  EXPECT_EQ(repeat("ab", 3), "ababab");
}

TEST(UniqueFunction, PassesReferencesAndMoveOnlyArguments) {
  UniqueFunction<void(int&, std::unique_ptr<int>)> add = [](int& sum, std::unique_ptr<int> n) {
    sum += *n;
  };
  int sum = 1;
  add(sum, std::make_unique<int>(2));
  EXPECT_EQ(sum, 3);
}

TEST(UniqueFunction, TakesAFunctionPointer) {
  UniqueFunction<int(int)> absolute = static_cast<int (*)(int)>(std::abs);
  EXPECT_EQ(absolute(-3), 3);
}

TEST(UniqueFunction, KeepsStateFromCallToCall) {
  UniqueFunction<int()> next = [n = 0]() mutable { return ++n; };
  next();
  EXPECT_EQ(next(), 2);
}

TEST(UniqueFunction, CarriesAMoveOnlyCaptureAlongWhenMoved) {
  UniqueFunction<int()> f = [p = std::make_unique<int>(7)] { return *p; };
  UniqueFunction<int()> moved = std::move(f);
  EXPECT_FALSE(f);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved(), 7);
}

TEST(UniqueFunction, CarriesAHeapCaptureAlongWhenMoved) {
  UniqueFunction<int()> f = [p = std::make_unique<int>(7), large = std::array<int, 40>{1}] {
    return *p + large[0];
  };
  UniqueFunction<int()> moved = std::move(f);
  EXPECT_FALSE(f);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(moved(), 8);
}

TEST(UniqueFunction, SurvivesBeingMovedOntoItself) {
  UniqueFunction<int()> f = [p = std::make_unique<int>(7)] { return *p; };
  UniqueFunction<int()>& same = f;
  f = std::move(same);
  EXPECT_EQ(f(), 7);
}

TEST(UniqueFunction, MadeFromAnEmptyOneOfAnotherSizeIsEmpty) {
  UniqueFunction<void(), 32> small;
  EXPECT_FALSE((UniqueFunction<void(), 128>(std::move(small))));
}

TEST(UniqueFunction, MadeFromOneOfAnotherSizeCallsIt) {
  UniqueFunction<int(), 32> small = [] { return 5; };
  UniqueFunction<int(), 128> large = std::move(small);
  EXPECT_EQ(large(), 5);
}

TEST(UniqueFunction, StoresOverAlignedCallablesOnTheHeap) {
  struct alignas(128) Wide {
    bool operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 128 == 0; }
  };
  UniqueFunction<bool(), 256> f = Wide();
  EXPECT_TRUE(f());
}

// Counts how often it is put on the heap.
template <std::size_t kBytes>
struct Sized {
  static inline int allocations = 0;
  static void* operator new(std::size_t bytes) {
    ++allocations;
    return ::operator new(bytes);
  }
  static void operator delete(void* p) { ::operator delete(p); }
  std::size_t operator()() const { return bytes.size(); }
  std::array<char, kBytes> bytes{};
};

TEST(UniqueFunction, DoesNotAllocateForWhatFits) {
  UniqueFunction<std::size_t()> f = Sized<64>();
  UniqueFunction<std::size_t()> moved = std::move(f);
  EXPECT_EQ(moved(), 64u);
  EXPECT_EQ(Sized<64>::allocations, 0);
}

TEST(UniqueFunction, AllocatesOnceForWhatDoesNotFit) {
  UniqueFunction<std::size_t()> f = Sized<65>();
  UniqueFunction<std::size_t()> moved = std::move(f);
  EXPECT_EQ(moved(), 65u);
  EXPECT_EQ(Sized<65>::allocations, 1);
}

TEST_F(UniqueFunctionTest, DestroysAnInlineCallableExactlyOnce) {
  {
    UniqueFunction<void()> f = Inline();
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(ended, 1);
}

TEST_F(UniqueFunctionTest, DestroysAHeapCallableExactlyOnce) {
  {
    UniqueFunction<void()> f = OnHeap();
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(ended, 1);
}

TEST_F(UniqueFunctionTest, MovingLeavesOneCallableAlive) {
  UniqueFunction<void()> f = Inline();
  UniqueFunction<void()> moved = std::move(f);
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(ended, 0);
}

TEST_F(UniqueFunctionTest, AssignmentDestroysWhatWasThere) {
  UniqueFunction<void()> f = Inline();
  f = OnHeap();
  EXPECT_EQ(ended, 1);
  f = nullptr;
  EXPECT_EQ(ended, 2);
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace muster::base
