#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace muster::batching {

/// Where an element that is in no heap says it is.
inline constexpr std::size_t kNoPlace = static_cast<std::size_t>(-1);

/// A binary min-heap of borrowed elements that know their place in it (`kPlace`), so that any of
/// them can be removed or re-ordered in O(log n) without a search. Pushing keys that only grow is
/// O(1). Keys are kept beside the pointers: sifting touches no element but to tell it its place.
template <class T, class Key, std::size_t T::* kPlace>
class IndexHeap {
 public:
  struct Node {
    Key key;
    T* element;
  };

  bool empty() const { return nodes_.empty(); }
  std::size_t size() const { return nodes_.size(); }
  T* top() const { return nodes_.front().element; }
  const Key& top_key() const { return nodes_.front().key; }
  /// In no particular order.
  std::span<const Node> nodes() const { return nodes_; }
  /// Calls f(element) for all whose keys are less than `key`, in no particular order; looks at
  /// twice as many.
  template <class F>
  void EachBefore(const Key& key, F&& f) const {
    VisitBefore(0, key, f);
  }
  static bool Contains(const T& element) { return element.*kPlace != kNoPlace; }

  void Push(T& element, Key key) {
    nodes_.push_back({std::move(key), &element});
    element.*kPlace = nodes_.size() - 1;
    SiftUp(nodes_.size() - 1);
  }

  void Remove(T& element) {
    const std::size_t hole = std::exchange(element.*kPlace, kNoPlace);
    const std::size_t last = nodes_.size() - 1;
    if (hole != last) {
      Put(hole, std::move(nodes_[last]));
      nodes_.pop_back();
      Restore(hole);
    } else {
      nodes_.pop_back();
    }
  }

  /// Gives an element a new key, adding it if it is not in the heap.
  void Update(T& element, Key key) {
    if (!Contains(element)) return Push(element, std::move(key));
    nodes_[element.*kPlace].key = std::move(key);
    Restore(element.*kPlace);
  }

 private:
  template <class F>
  void VisitBefore(std::size_t place, const Key& key, F& f) const {
    if (place >= nodes_.size() || !(nodes_[place].key < key)) return;
    f(*nodes_[place].element);
    VisitBefore(2 * place + 1, key, f);
    VisitBefore(2 * place + 2, key, f);
  }

  void Put(std::size_t place, Node&& node) {
    node.element->*kPlace = place;
    nodes_[place] = std::move(node);
  }

  void Restore(std::size_t place) {
    if (place > 0 && nodes_[place].key < nodes_[(place - 1) / 2].key) {
      SiftUp(place);
    } else {
      SiftDown(place);
    }
  }

  void SiftUp(std::size_t place) {
    if (place == 0 || !(nodes_[place].key < nodes_[(place - 1) / 2].key)) return;
    Node moving = std::move(nodes_[place]);
    while (place > 0) {
      const std::size_t parent = (place - 1) / 2;
      if (!(moving.key < nodes_[parent].key)) break;
      Put(place, std::move(nodes_[parent]));
      place = parent;
    }
    Put(place, std::move(moving));
  }

  void SiftDown(std::size_t place) {
    Node moving = std::move(nodes_[place]);
    for (;;) {
      std::size_t child = 2 * place + 1;
      if (child >= nodes_.size()) break;
      if (child + 1 < nodes_.size() && nodes_[child + 1].key < nodes_[child].key) ++child;
      if (!(nodes_[child].key < moving.key)) break;
      Put(place, std::move(nodes_[child]));
      place = child;
    }
    Put(place, std::move(moving));
  }

  std::vector<Node> nodes_;
};

}  // namespace muster::batching
