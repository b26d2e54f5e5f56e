#pragma once

#include <cstddef>
#include <cstdint>

namespace muster {

/// What one thread has asked of malloc and its kin. This program's allocator is glibc's own behind
/// counters: see counted_malloc.cc. Threads are told apart by what they say of themselves.
struct MallocCounts {
  std::uint64_t calls = 0;           ///< malloc, calloc, realloc, aligned_alloc, posix_memalign
  std::uint64_t frees = 0;           ///< of memory, from whatever thread
  std::uint64_t calls_in_model = 0;  ///< while the thread was inside a ModelRun
};

/// From now on this thread's calls are counted, all such threads together.
void CountThisThread();
/// What the counted threads have done so far.
MallocCounts CountsSoFar();
/// Also notes where the calls come from, at some cost; off by default.
void NoteStacks(bool on);
/// The stacks noted, most frequent first, on standard error; `requests` to divide by.
void PrintStacks(std::uint64_t requests);

/// While one lives, the calls of its thread are the model's.
class ModelRun {
 public:
  ModelRun();
  ~ModelRun();
  ModelRun(const ModelRun&) = delete;
  ModelRun& operator=(const ModelRun&) = delete;
};

/// Ends a ModelRun for a while: the model has called back.
class OutOfModelRun {
 public:
  OutOfModelRun();
  ~OutOfModelRun();
  OutOfModelRun(const OutOfModelRun&) = delete;
  OutOfModelRun& operator=(const OutOfModelRun&) = delete;
};

}  // namespace muster
