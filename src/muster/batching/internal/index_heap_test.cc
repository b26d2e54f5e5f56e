#include "muster/batching/internal/index_heap.h"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <random>
#include <vector>

namespace muster::batching {
namespace {

struct Element {
  int key = 0;
  std::size_t place = kNoPlace;
};
using Heap = IndexHeap<Element, int, &Element::place>;

TEST(IndexHeap, GivesTheSmallestKeyFirst) {
  std::vector<Element> elements(5);
  Heap heap;
  for (int i = 0; i < 5; ++i) heap.Push(elements[static_cast<std::size_t>(i)], (i * 3) % 5);
  for (int key = 0; key < 5; ++key) {
    EXPECT_EQ(heap.top_key(), key);
    heap.Remove(*heap.top());
  }
  EXPECT_TRUE(heap.empty());
}

TEST(IndexHeap, KeepsEveryElementsPlaceRightUnderRandomOperations) {
  std::mt19937 random(3);
  std::vector<Element> elements(200);
  Heap heap;
  for (int step = 0; step < 20'000; ++step) {
    Element& element = elements[random() % elements.size()];
    if (!Heap::Contains(element)) {
      heap.Push(element, element.key = static_cast<int>(random() % 1000));
    } else if (random() % 2 == 0) {
      heap.Remove(element);
    } else {
      heap.Update(element, element.key = static_cast<int>(random() % 1000));
    }
    std::size_t inside = 0;
    int smallest = 1000;
    for (const Element& e : elements) {
      if (!Heap::Contains(e)) continue;
      ++inside;
      smallest = std::min(smallest, e.key);
      ASSERT_EQ(heap.nodes()[e.place].element, &e);
    }
    ASSERT_EQ(inside, heap.size());
    if (!heap.empty()) {
      ASSERT_EQ(heap.top_key(), smallest);
    }
  }
}

}  // namespace
}  // namespace muster::batching
