#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace muster::base {

template <class Signature, std::size_t kInlineBytes = 64>
class UniqueFunction;

template <class T>
inline constexpr bool kIsUniqueFunction = false;
template <class Signature, std::size_t kInlineBytes>
inline constexpr bool kIsUniqueFunction<UniqueFunction<Signature, kInlineBytes>> = true;

/// A callable that is moved, never copied, and lives in place up to `kInlineBytes`:
/// std::move_only_function (C++23) with a buffer large enough for our completions, so that handing
/// work from thread to thread allocates nothing. Calling an empty one is undefined; one made from
/// an empty one of another size is empty.
template <class R, class... Args, std::size_t kInlineBytes>
class UniqueFunction<R(Args...), kInlineBytes> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT

  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, UniqueFunction> &&
             std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
  UniqueFunction(F&& f) {  // NOLINT
    using D = std::decay_t<F>;
    if constexpr (kIsUniqueFunction<D>) {
      if (!f) return;
    }
    if constexpr (sizeof(D) <= kInlineBytes && alignof(D) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<D>) {
      ::new (static_cast<void*>(storage_)) D(std::forward<F>(f));
      ops_ = &kInlineOps<D>;
    } else {
      ::new (static_cast<void*>(storage_)) D*(new D(std::forward<F>(f)));
      ops_ = &kHeapOps<D>;
    }
  }

  UniqueFunction(UniqueFunction&& other) noexcept { Take(other); }
  UniqueFunction& operator=(UniqueFunction&& other) noexcept {
    if (this != &other) {
      Reset();
      Take(other);
    }
    return *this;
  }
  ~UniqueFunction() { Reset(); }

  explicit operator bool() const { return ops_ != nullptr; }
  R operator()(Args... args) { return ops_->call(storage_, std::forward<Args>(args)...); }

 private:
  struct Ops {
    R (*call)(void*, Args&&...);
    void (*move)(void* from, void* to) noexcept;  // leaves `from` destroyed
    void (*destroy)(void*) noexcept;
  };
  template <class D>
  static constexpr Ops kInlineOps = {
      [](void* p, Args&&... args) -> R {
        return std::invoke(*std::launder(static_cast<D*>(p)), std::forward<Args>(args)...);
      },
      [](void* from, void* to) noexcept {
        D* d = std::launder(static_cast<D*>(from));
        ::new (to) D(std::move(*d));
        d->~D();
      },
      [](void* p) noexcept { std::launder(static_cast<D*>(p))->~D(); }};
  template <class D>
  static constexpr Ops kHeapOps = {
      [](void* p, Args&&... args) -> R {
        return std::invoke(**std::launder(static_cast<D**>(p)), std::forward<Args>(args)...);
      },
      [](void* from, void* to) noexcept { ::new (to) D*(*std::launder(static_cast<D**>(from))); },
      [](void* p) noexcept { delete *std::launder(static_cast<D**>(p)); }};

  void Take(UniqueFunction& other) noexcept {
    if (other.ops_ == nullptr) return;
    other.ops_->move(other.storage_, storage_);
    ops_ = std::exchange(other.ops_, nullptr);
  }
  void Reset() noexcept {
    if (ops_ != nullptr) std::exchange(ops_, nullptr)->destroy(storage_);
  }

  const Ops* ops_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInlineBytes];
};

}  // namespace muster::base
