#include "muster/batching/internal/bucket.h"

#include <gtest/gtest.h>
#include <vector>

#include "muster/batching/internal/queue_test_support.h"

namespace muster::batching {
namespace {

class BucketTableTest : public ::testing::Test {
 protected:
  Bucket& Fill(std::int64_t width) {
    requests_.push_back(Request({.width = width}));
    Bucket& bucket = table_.FindOrAdd(requests_.back()->item.inputs, {});
    bucket.Append(*requests_.back());
    return bucket;
  }
  void Empty(Bucket& bucket) {
    while (!bucket.empty()) bucket.Unlink(*bucket.oldest);
    table_.OnEmpty(bucket);
  }
  bool Knows(std::int64_t width) {
    return table_.Find(Request({.width = width})->item.inputs, {}) != nullptr;
  }
  int size() const {
    int buckets = 0;
    table_.ForEach([&](const Bucket&) { ++buckets; });
    return buckets;
  }

  std::vector<PendingPtr> requests_;
  BucketTable table_;
};

TEST_F(BucketTableTest, KeepsSixteenEmptyBucketsOfThousands) {
  Bucket& used = Fill(1);
  for (std::int64_t width = 2; width <= 5000; ++width) Empty(Fill(width));
  EXPECT_EQ(size(), 17);
  EXPECT_EQ(&table_.FindOrAdd(requests_.front()->item.inputs, {}), &used);
}

TEST_F(BucketTableTest, KeepsThoseThatBecameEmptyLast) {
  for (std::int64_t width = 1; width <= 16; ++width) Empty(Fill(width));
  Empty(Fill(1));  // in use again since
  Empty(Fill(100));
  EXPECT_TRUE(Knows(1));
  EXPECT_FALSE(Knows(2));
  EXPECT_TRUE(Knows(3));
  EXPECT_TRUE(Knows(100));
}

TEST_F(BucketTableTest, NeverDestroysABucketWithRows) {
  std::vector<Bucket*> used;
  for (std::int64_t width = 1; width <= 40; ++width) used.push_back(&Fill(width));
  for (std::int64_t width = 101; width <= 140; ++width) Empty(Fill(width));
  EXPECT_EQ(size(), 56);
  for (Bucket* bucket : used) Empty(*bucket);
  EXPECT_EQ(size(), 16);
}

}  // namespace
}  // namespace muster::batching
