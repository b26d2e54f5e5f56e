#include "muster/tensor/buffer.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <thread>

namespace muster::tensor {
namespace {

TEST(BufferRef, IsEmptyByDefault) {
  const BufferRef buffer;
  EXPECT_FALSE(buffer);
  EXPECT_EQ(buffer.size(), 0u);
}

TEST(BufferRef, AllocatesAlignedTo64Bytes) {
  for (const std::size_t bytes : {1u, 63u, 64u, 1000u}) {
    const BufferRef buffer = BufferRef::Allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.size(), bytes);
    EXPECT_EQ(buffer.kind(), MemoryKind::kHost);
    buffer.data()[bytes - 1] = std::byte{1};
  }
}

TEST(BufferRef, OfNoBytesIsABuffer) {
  EXPECT_TRUE(BufferRef::Allocate(0));
  EXPECT_TRUE(BufferRef::Strings({}));
}

TEST(BufferRef, CopiesShareTheMemory) {
  const BufferRef buffer = BufferRef::Allocate(8);
  const BufferRef copy = buffer;  // NOLINT: the copy is the point
  EXPECT_EQ(copy.data(), buffer.data());
  EXPECT_EQ(buffer.use_count(), 2);
}

TEST(BufferRef, TakesOverStrings) {
  const BufferRef buffer = BufferRef::Strings({"a", "bc"});
  EXPECT_EQ(buffer.kind(), MemoryKind::kStrings);
  EXPECT_EQ(buffer.size(), 2u);
  EXPECT_EQ(buffer.strings()[1], "bc");
}

TEST(BufferRef, ReleasesWrappedMemoryOnceWithTheLastReference) {
  int released = 0;
  std::byte memory[4];
  {
    BufferRef last;
    {
      const BufferRef buffer = BufferRef::Wrap(memory, sizeof memory, [&] { ++released; });
      last = buffer;
    }
    EXPECT_EQ(released, 0);
    EXPECT_EQ(last.data(), memory);
  }
  EXPECT_EQ(released, 1);
}

TEST(BufferRef, ReleasesOnTheThreadThatDropsTheLastReference) {
  std::thread::id released_on;
  std::byte memory[4];
  BufferRef buffer =
      BufferRef::Wrap(memory, sizeof memory, [&] { released_on = std::this_thread::get_id(); });
  std::thread dropper([moved = std::move(buffer)]() mutable { moved = {}; });
  const std::thread::id expected = dropper.get_id();
  dropper.join();
  EXPECT_EQ(released_on, expected);
}

TEST(BufferRef, WrapsWithoutARelease) {
  std::byte memory[4];
  EXPECT_TRUE(BufferRef::Wrap(memory, sizeof memory, nullptr));
}

TEST(BufferRef, WrapKnowsKindAndDevice) {
  std::byte memory[4];
  const BufferRef buffer = BufferRef::Wrap(memory, sizeof memory, nullptr, MemoryKind::kDevice, 3);
  EXPECT_EQ(buffer.kind(), MemoryKind::kDevice);
  EXPECT_EQ(buffer.device_id(), 3);
}

TEST(BufferRef, WrapsStringsOfSomebodyElse) {
  std::string strings[] = {"a", "b"};
  int released = 0;
  {
    const BufferRef buffer = BufferRef::WrapStrings(strings, 2, [&] { ++released; });
    EXPECT_EQ(buffer.strings(), strings);
    EXPECT_EQ(buffer.size(), 2u);
    EXPECT_EQ(buffer.kind(), MemoryKind::kStrings);
  }
  EXPECT_EQ(released, 1);
}

TEST(BufferRef, ShareKeepsTheOwnerAlive) {
  auto owner = std::make_shared<std::vector<float>>(4);
  const std::weak_ptr<std::vector<float>> watch = owner;
  BufferRef buffer = BufferRef::Share(owner, owner->data(), 16);
  owner.reset();
  EXPECT_FALSE(watch.expired());
  buffer = {};
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace muster::tensor
