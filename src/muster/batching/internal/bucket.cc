#include "muster/batching/internal/bucket.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace muster::batching {
namespace {

// Calls f with the numbers of a signature one after another, until it returns false. Axis 0 is
// rows.
template <class F>
bool EachNumber(std::span<const tensor::Tensor> inputs, F&& f) {
  for (const tensor::Tensor& input : inputs) {
    if (!f(static_cast<std::int64_t>(input.dtype()))) return false;
    const int rank = input.shape().rank();
    if (!f(rank)) return false;
    for (int axis = 1; axis < rank; ++axis) {
      if (!f(input.shape()[axis])) return false;
    }
  }
  return true;
}

bool Matches(const Bucket& bucket, std::span<const tensor::Tensor> inputs,
             std::string_view client) {
  std::size_t i = 0;
  const auto same = [&](std::int64_t number) {
    return i < bucket.signature.size() && bucket.signature[i++] == number;
  };
  return EachNumber(inputs, same) && i == bucket.signature.size() && bucket.client == client;
}

std::uint64_t HashOf(std::span<const tensor::Tensor> inputs, std::string_view client) {
  std::uint64_t hash = std::hash<std::string_view>{}(client);
  EachNumber(inputs, [&](std::int64_t number) {
    hash = (hash ^ static_cast<std::uint64_t>(number)) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
    return true;
  });
  return hash;
}

}  // namespace

OrderKey OrderOf(const Pending& pending) {
  const WorkItem& item = pending.item;
  return {-static_cast<std::int64_t>(item.priority), ExplicitDeadline(pending), pending.sequence};
}

base::TimePoint ExplicitDeadline(const Pending& pending) {
  return pending.item.deadline_is_explicit ? pending.item.deadline : base::kNever;
}

std::int64_t Bucket::RowsBefore(const OrderKey& key) const {
  if (empty() || key > latest) return rows;
  std::int64_t before = 0;
  order.EachBefore(key, [&](const Pending& pending) { before += pending.untaken(); });
  return before;
}

void Bucket::Append(Pending& pending) {
  const OrderKey key = OrderOf(pending);
  latest = empty() ? key : std::max(latest, key);
  pending.bucket = this;
  pending.older = newest;
  pending.newer = nullptr;
  (newest != nullptr ? newest->newer : oldest) = &pending;
  newest = &pending;
  rows += pending.untaken();
  deadlines += ExplicitDeadline(pending) != base::kNever;
  order.Push(pending, key);
}

void Bucket::Unlink(Pending& pending) {
  (pending.older != nullptr ? pending.older->newer : oldest) = pending.newer;
  (pending.newer != nullptr ? pending.newer->older : newest) = pending.older;
  pending.older = pending.newer = nullptr;
  pending.bucket = nullptr;
  rows -= pending.untaken();
  deadlines -= ExplicitDeadline(pending) != base::kNever;
  order.Remove(pending);
}

Bucket* BucketTable::Find(std::span<const tensor::Tensor> inputs, std::string_view client) {
  if (last_used_ != nullptr && Matches(*last_used_, inputs, client)) return last_used_;
  const auto [begin, end] = buckets_.equal_range(HashOf(inputs, client));
  for (auto it = begin; it != end; ++it) {
    if (Matches(*it->second, inputs, client)) return last_used_ = it->second.get();
  }
  return nullptr;
}

Bucket& BucketTable::FindOrAdd(std::span<const tensor::Tensor> inputs, std::string_view client) {
  if (Bucket* const found = Find(inputs, client)) {
    if (found->idle) UnlinkIdle(*found);
    return *found;
  }
  auto bucket = std::make_unique<Bucket>();
  bucket->client = client;
  bucket->hash = HashOf(inputs, client);
  EachNumber(inputs, [&](std::int64_t number) {
    bucket->signature.push_back(number);
    return true;
  });
  last_used_ = bucket.get();
  buckets_.emplace(bucket->hash, std::move(bucket));
  return *last_used_;
}

// The one that has been empty for longest goes: were it the latest, whoever sends a few shapes once
// could keep the usual ones from ever learning anything.
void BucketTable::OnEmpty(Bucket& bucket) {
  if (!bucket.idle) LinkIdle(bucket);
  if (idle_ > kKept) Erase(*idle_oldest_);
}

void BucketTable::LinkIdle(Bucket& bucket) {
  bucket.idle = true;
  bucket.idle_older = idle_newest_;
  (idle_newest_ != nullptr ? idle_newest_->idle_newer : idle_oldest_) = &bucket;
  idle_newest_ = &bucket;
  ++idle_;
}

void BucketTable::UnlinkIdle(Bucket& bucket) {
  Bucket *const older = bucket.idle_older, *const newer = bucket.idle_newer;
  (older != nullptr ? older->idle_newer : idle_oldest_) = newer;
  (newer != nullptr ? newer->idle_older : idle_newest_) = older;
  bucket.idle_older = bucket.idle_newer = nullptr;
  bucket.idle = false;
  --idle_;
}

void BucketTable::Erase(Bucket& bucket) {
  UnlinkIdle(bucket);
  if (last_used_ == &bucket) last_used_ = nullptr;
  const auto [begin, end] = buckets_.equal_range(bucket.hash);
  buckets_.erase(std::find_if(
      begin, end, [&bucket](const auto& entry) { return entry.second.get() == &bucket; }));
}

}  // namespace muster::batching
