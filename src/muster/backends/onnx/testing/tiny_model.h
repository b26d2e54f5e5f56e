#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace muster::backends::onnx {

/// Writes protobuf's wire format, as far as tests need it to make ONNX models without the onnx
/// package (protobuf.dev, "Encoding"; field numbers from onnx.proto).
class Proto {
 public:
  Proto& Int(int field, std::int64_t value) {
    Varint(static_cast<std::uint64_t>(field) << 3);
    Varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  Proto& Text(int field, std::string_view value) {
    Varint(static_cast<std::uint64_t>(field) << 3 | 2);
    Varint(value.size());
    bytes_ += value;
    return *this;
  }
  Proto& Add(int field, const Proto& message) { return Text(field, message.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void Varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

namespace tiny {

using Strings = std::initializer_list<std::string_view>;

// TensorProto.DataType
inline constexpr int kFloat = 1, kUint8 = 2, kInt8 = 3, kUint16 = 4, kInt16 = 5, kInt32 = 6,
                     kInt64 = 7, kString = 8, kBool = 9, kHalf = 10, kDouble = 11, kUint32 = 12,
                     kUint64 = 13, kBfloat16 = 16, kFloat8 = 17;

/// TypeProto of a tensor; a dim is a number, a name, or "" for one that is open and unnamed.
inline Proto TensorType(int type, Strings dims) {
  Proto shape;
  for (const std::string_view dim : dims) {
    const bool number = !dim.empty() && dim[0] >= '0' && dim[0] <= '9';
    Proto d;
    if (number) d.Int(1, std::stoll(std::string(dim)));
    if (!number && !dim.empty()) d.Text(2, dim);
    shape.Add(1, d);
  }
  return Proto().Add(1, Proto().Int(1, type).Add(2, shape));
}
inline Proto SequenceType(const Proto& element) { return Proto().Add(4, Proto().Add(1, element)); }
inline Proto MapType(int key, const Proto& value) {
  return Proto().Add(5, Proto().Int(1, key).Add(2, value));
}
inline Proto OptionalType(const Proto& element) { return Proto().Add(9, Proto().Add(1, element)); }

inline Proto Value(std::string_view name, const Proto& type) {
  return Proto().Text(1, name).Add(2, type);
}

/// An initializer of numbers, whose bytes are `values`.
template <class T>
Proto Constant(std::string_view name, int type, std::initializer_list<std::int64_t> dims,
               std::initializer_list<T> values) {
  Proto tensor;
  for (const std::int64_t dim : dims) tensor.Int(1, dim);
  const std::vector<T> data(values);
  return tensor.Int(2, type).Text(8, name).Text(
      9, {reinterpret_cast<const char*>(data.data()), data.size() * sizeof(T)});
}

inline Proto IntsAttribute(std::string_view name, std::initializer_list<std::int64_t> values) {
  Proto attribute;
  attribute.Text(1, name);
  for (const std::int64_t value : values) attribute.Int(8, value);
  return attribute.Int(20, 7);
}
inline Proto GraphAttribute(std::string_view name, const Proto& graph) {
  return Proto().Text(1, name).Add(6, graph).Int(20, 5);
}

inline Proto Node(std::string_view op, Strings inputs, Strings outputs,
                  std::initializer_list<Proto> attributes = {}, std::string_view domain = "",
                  std::string_view name = "") {
  Proto node;
  for (const std::string_view input : inputs) node.Text(1, input);
  for (const std::string_view output : outputs) node.Text(2, output);
  node.Text(3, name).Text(4, op);
  for (const Proto& attribute : attributes) node.Add(5, attribute);
  return node.Text(7, domain);
}

struct Graph {
  std::vector<Proto> nodes, inputs, outputs, constants = {};

  Proto Message() const {
    Proto graph;
    for (const Proto& node : nodes) graph.Add(1, node);
    graph.Text(2, "tiny");
    for (const Proto& constant : constants) graph.Add(5, constant);
    for (const Proto& input : inputs) graph.Add(11, input);
    for (const Proto& output : outputs) graph.Add(12, output);
    return graph;
  }
  /// The bytes of a model.
  std::string Model() const {
    return Proto()
        .Int(1, 9)
        .Text(2, "tiny")
        .Text(6, "a model of a test")
        .Add(7, Message())
        .Add(8, Proto().Text(1, "").Int(2, 19))
        .Add(8, Proto().Text(1, "ai.onnx.ml").Int(2, 3))
        .bytes();
  }
};

}  // namespace tiny
}  // namespace muster::backends::onnx
