// malloc and its kin, defined over those that glibc keeps under a second name, so that everything
// in the process is seen, the C++ library and shared libraries included.

#include "tests/allocation/counted_malloc.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <execinfo.h>
#include <mutex>
#include <unistd.h>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace muster {
namespace {

// Plain data: thread-local objects with constructors would themselves allocate.
thread_local bool counted = false;
thread_local int in_model = 0;
thread_local bool noting = false;

std::atomic<std::uint64_t> calls{0};
std::atomic<std::uint64_t> frees{0};
std::atomic<std::uint64_t> calls_in_model{0};
std::atomic<bool> note_stacks{false};

struct Stack {
  std::array<void*, 24> frames{};
  std::uint64_t times = 0;
};
std::mutex stacks_mutex;
std::array<Stack, 512> stacks;
std::size_t stack_count = 0;

void NoteStack() {
  noting = true;
  Stack stack;
  backtrace(stack.frames.data(), static_cast<int>(stack.frames.size()));
  const std::lock_guard lock(stacks_mutex);
  const auto end = stacks.begin() + static_cast<std::ptrdiff_t>(stack_count);
  const auto known = std::find_if(stacks.begin(), end,
                                  [&](const Stack& other) { return other.frames == stack.frames; });
  if (known != end) {
    ++known->times;
  } else if (stack_count < stacks.size()) {
    stack.times = 1;
    stacks[stack_count++] = stack;
  }
  noting = false;
}

void OnCall() {
  if (!counted || noting) return;
  if (in_model > 0) {
    calls_in_model.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  calls.fetch_add(1, std::memory_order_relaxed);
  if (note_stacks.load(std::memory_order_relaxed)) NoteStack();
}

void OnFree(const void* p) {
  if (counted && !noting && in_model == 0 && p != nullptr) {
    frees.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

void CountThisThread() {
  void* frame = nullptr;
  noting = true;
  backtrace(&frame, 1);  // loads what it needs, once
  noting = false;
  counted = true;
}

MallocCounts CountsSoFar() { return {calls, frees, calls_in_model}; }

void NoteStacks(bool on) { note_stacks = on; }

void PrintStacks(std::uint64_t requests) {
  const std::lock_guard lock(stacks_mutex);
  const auto end = stacks.begin() + static_cast<std::ptrdiff_t>(stack_count);
  std::sort(stacks.begin(), end, [](const Stack& a, const Stack& b) { return a.times > b.times; });
  for (auto stack = stacks.begin(); stack != end; ++stack) {
    std::fprintf(stderr, "%.3f calls per request (%llu)\n",
                 static_cast<double>(stack->times) / static_cast<double>(requests),
                 static_cast<unsigned long long>(stack->times));
    const auto depth = static_cast<int>(
        std::find(stack->frames.begin(), stack->frames.end(), nullptr) - stack->frames.begin());
    backtrace_symbols_fd(stack->frames.data(), depth, STDERR_FILENO);
  }
}

ModelRun::ModelRun() { ++in_model; }
ModelRun::~ModelRun() { --in_model; }
OutOfModelRun::OutOfModelRun() { --in_model; }
OutOfModelRun::~OutOfModelRun() { ++in_model; }

}  // namespace muster

extern "C" {

void* malloc(std::size_t bytes) {
  muster::OnCall();
  return __libc_malloc(bytes);
}

void* calloc(std::size_t count, std::size_t bytes) {
  muster::OnCall();
  return __libc_calloc(count, bytes);
}

void* realloc(void* p, std::size_t bytes) {
  muster::OnCall();
  return __libc_realloc(p, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) {
  muster::OnCall();
  return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  muster::OnCall();
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** out, std::size_t alignment, std::size_t bytes) {
  muster::OnCall();
  *out = __libc_memalign(alignment, bytes);
  return *out == nullptr ? ENOMEM : 0;
}

void free(void* p) {
  muster::OnFree(p);
  __libc_free(p);
}

}  // extern "C"
