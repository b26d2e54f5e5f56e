#include "muster/server/codec/internal/infer_inputs.h"

#include <algorithm>
#include <array>
#include <utility>

#include "muster/base/text.h"
#include "muster/server/codec/internal/binary_tensor.h"
#include "muster/server/codec/internal/element.h"
#include "muster/server/codec/internal/infer_names.h"
#include "muster/server/codec/internal/json_fields.h"
#include "muster/server/codec/internal/tensor_data.h"

namespace muster::server::codec::internal {
namespace {

using base::Error;
using base::InvalidArgument;
using base::Result;
using base::Status;
using model::BatchAxis;
using model::TensorSpec;
using tensor::Shape;

// Depths of values: 1 is the body itself.
constexpr std::size_t kListDepth = 2;
constexpr std::size_t kItemDepth = 3;
constexpr std::size_t kFieldDepth = 4;
constexpr std::size_t kParameterDepth = 5;

/// What the extents of a shape without elements may multiply to beside its zeros. Nothing of such a
/// tensor has to come in the body, and a model may still make much of it.
constexpr std::int64_t kMostBesideZeros = 65'536;

Error FieldError(const Path& path, std::string_view what) {
  return InvalidArgument(path.ToString() + ": " + std::string(what), "FIELD");
}

Error ShapeError(const Path& path, const std::string& what) {
  return InvalidArgument(path.ToString() + ".shape: " + what, "SHAPE");
}

Status CheckZeros(const Shape& shape, const Path& path) {
  if (shape.elements() > 0) return {};
  std::int64_t product = 1;  // a Shape promises that this fits
  for (const std::int64_t extent : shape.dims()) product *= std::max<std::int64_t>(1, extent);
  if (product <= kMostBesideZeros) return {};
  return ShapeError(path, shape.ToString() + " has no elements; beside its zeros, at most " +
                              std::to_string(kMostBesideZeros) + " are allowed");
}

}  // namespace

InferInputs::InferInputs(JsonReader& reader, const registry::ServedVersion& model)
    : reader_(reader),
      model_(model),
      seen_(model.spec.inputs.size()),
      tensors_(model.spec.inputs.size()) {}

Status InferInputs::Read(od::value inputs, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(od::array list, ReadList(reader_, inputs, kListDepth, path));
  return ForEachItem(
      list, [&](od::value item, std::int64_t index) { return ReadItem(item, Path(path, index)); });
}

Status InferInputs::ReadItem(od::value item, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(od::object object, ReadObject(reader_, item, kItemDepth, path));
  Head head;
  const Status status = ReadOpenItem(object, head, path);
  if (status) return status;
  // Its data may be too deep, or no JSON; that is said first, as for every other body.
  if (!IsFatal(status.error())) {
    MUSTER_RETURN_IF_ERROR(reader_.WalkRefused(object, kItemDepth, path));
  }
  if (!head.name) return status;
  return status.error().WithContext("input `" + base::Printable(*head.name) + "`");
}

Status InferInputs::ReadOpenItem(od::object item, Head& head, const Path& path) {
  // The shape may come behind the data, which are only skipped the first time.
  MUSTER_RETURN_IF_ERROR(
      ForEachField(reader_, item, path, [&](std::string_view key, od::value value) {
        return ReadField(key, value, head, Path(path, key));
      }));
  MUSTER_ASSIGN_OR_RETURN(const std::size_t index, Place(head, path));
  MUSTER_RETURN_IF_ERROR(CheckHead(head, model_.spec.inputs[index], path));
  seen_[index] = true;
  if (head.data_field) return ReadData(item, index, head, path);
  binary_.push_back({index, *head.shape, *head.binary_bytes});
  return {};
}

Status InferInputs::ReadField(std::string_view key, od::value value, Head& head, const Path& path) {
  const std::size_t index = head.fields++;
  // null is how many clients write a field that is not there.
  const bool given = KindOf(value) != Kind::kNull;
  if (given && key == "name") {
    MUSTER_ASSIGN_OR_RETURN(head.name, ReadText(reader_, value, kFieldDepth, path));
  } else if (given && key == "datatype") {
    MUSTER_ASSIGN_OR_RETURN(head.datatype, ReadText(reader_, value, kFieldDepth, path));
  } else if (given && key == "shape") {
    MUSTER_ASSIGN_OR_RETURN(head.shape, ReadShape(value, path));
  } else if (given && key == "parameters") {
    return ReadParameters(value, head, path);
  } else if (given && key == "data") {
    head.data_field = index;
  } else {
    return reader_.Walk(value, kFieldDepth, path);
  }
  return {};
}

Status InferInputs::ReadParameters(od::value value, Head& head, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(od::object object, ReadObject(reader_, value, kFieldDepth, path));
  const auto read = [&](std::string_view key, od::value parameter) -> Status {
    const Path at(path, key);
    const bool given = KindOf(parameter) != Kind::kNull;
    if (!given || key != "binary_data_size") {
      if (given) MUSTER_RETURN_IF_ERROR(CheckSupported(key, at));
      return reader_.Walk(parameter, kParameterDepth, at);
    }
    MUSTER_ASSIGN_OR_RETURN(head.binary_bytes, ReadCount(reader_, parameter, kParameterDepth, at));
    return {};
  };
  return ForEachField(reader_, object, path, read);
}

Result<Shape> InferInputs::ReadShape(od::value value, const Path& path) {
  MUSTER_ASSIGN_OR_RETURN(od::array list, ReadList(reader_, value, kFieldDepth, path));
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::size_t rank = 0;
  MUSTER_RETURN_IF_ERROR(ForEachItem(list, [&](od::value item, std::int64_t index) -> Status {
    if (rank == dims.size()) {
      return InvalidArgument(
          path.ToString() + ": more than " + std::to_string(dims.size()) + " axes", "SHAPE");
    }
    if (ReadElement(item, dims[rank])) {
      return ElementError(item, tensor::DType::kInt64, Path(path, index));
    }
    ++rank;
    return {};
  }));
  Result<Shape> shape = Shape::Make({dims.data(), rank});
  if (shape) return shape;
  Error error = std::move(shape).error().WithContext(path.ToString());
  if (error.reason.empty()) error.reason = "SHAPE";
  return error;
}

Result<std::size_t> InferInputs::Place(const Head& head, const Path& path) {
  if (!head.name) return FieldError(path, "missing \"name\"");
  const int index = model_.spec.FindInput(*head.name);
  const Path name(path, "name");
  if (index < 0) {
    return UnknownName("input", *head.name, model_.spec.inputs, name, "UNKNOWN_INPUT");
  }
  const auto place = static_cast<std::size_t>(index);
  if (!seen_[place]) return place;
  return InvalidArgument(name.ToString() + ": this input comes twice", "DUPLICATE_KEY");
}

Status InferInputs::CheckHead(const Head& head, const TensorSpec& input, const Path& path) {
  if (!head.datatype) return FieldError(path, "missing \"datatype\"");
  const std::string_view expected = tensor::DTypeName(input.dtype);
  if (*head.datatype != expected) {
    return InvalidArgument(path.ToString() + ".datatype: expected " + std::string(expected) +
                               ", got `" + base::Printable(*head.datatype) + "`",
                           "TYPE");
  }
  if (!head.shape) return FieldError(path, "missing \"shape\"");
  MUSTER_RETURN_IF_ERROR(CheckShape(*head.shape, input, path));
  MUSTER_RETURN_IF_ERROR(TakeRows(*head.shape, path));
  if (head.data_field && head.binary_bytes) {
    return FieldError(path, "expected \"data\" or the parameter binary_data_size, got both");
  }
  if (head.data_field || head.binary_bytes) return {};
  return FieldError(path, "missing \"data\", or the parameter binary_data_size");
}

Status InferInputs::CheckShape(const Shape& shape, const TensorSpec& input,
                               const Path& path) const {
  const std::vector<std::int64_t> expected = ProtocolDims(model_.spec, input);
  const auto fits = [](std::int64_t want, std::int64_t got) {
    return want == model::Dim::kDynamic || want == got;
  };
  if (!std::ranges::equal(expected, shape.dims(), fits)) {
    return ShapeError(path, "expected " + DimsText(expected) + ", got " + shape.ToString());
  }
  // An axis of one row is put before what a model without rows takes.
  if (model_.spec.batch_axis == BatchAxis::kNone && shape.rank() == Shape::kMaxRank) {
    return ShapeError(path, shape.ToString() + " has too many axes");
  }
  return CheckZeros(shape, path);
}

Status InferInputs::TakeRows(const Shape& shape, const Path& path) {
  if (model_.spec.batch_axis == BatchAxis::kNone) return {};
  const std::int64_t rows = shape[0];
  if (rows == 0) {
    return InvalidArgument(
        path.ToString() + ".shape: expected at least one row, got " + shape.ToString(),
        "EMPTY_BATCH");
  }
  if (rows > reader_.limits().max_rows) {
    return InvalidArgument(path.ToString() + ".shape: more than " +
                               std::to_string(reader_.limits().max_rows) + " rows",
                           "TOO_MANY_VALUES");
  }
  if (rows_ && *rows_ != rows) {
    return ShapeError(path, "expected " + std::to_string(*rows_) + " rows, as the inputs before, " +
                                "got " + std::to_string(rows));
  }
  rows_ = rows;
  return {};
}

Status InferInputs::ReadData(od::object item, std::size_t index, const Head& head,
                             const Path& path) {
  if (const auto error = item.reset().error()) return JsonError(error);
  std::size_t field_index = *head.data_field;
  for (auto entry : item) {
    od::field field;
    if (const auto error = std::move(entry).get(field)) return JsonError(error);
    if (field_index-- != 0) continue;
    MUSTER_ASSIGN_OR_RETURN(tensor::Tensor tensor,
                            ReadTensorData(reader_, field.value(), model_.spec.inputs[index].dtype,
                                           *head.shape, Path(path, "data")));
    Keep(index, std::move(tensor));
    return {};
  }
  return base::Internal("the data are gone");
}

Status InferInputs::ReadBinary(const tensor::BufferRef& body, std::size_t offset) {
  for (const BinaryInput& part : binary_) {
    const TensorSpec& input = model_.spec.inputs[part.index];
    const std::size_t left = body.size() - offset;
    if (part.bytes > left) {
      return InvalidArgument("input `" + input.name + "`: binary_data_size is " +
                                 std::to_string(part.bytes) + ", but only " + std::to_string(left) +
                                 " bytes are left behind the JSON, whose " +
                                 "length the header Inference-Header-Content-Length says",
                             "BINARY");
    }
    const auto size = static_cast<std::size_t>(part.bytes);
    MUSTER_ASSIGN_OR_RETURN(tensor::Tensor tensor,
                            ReadBinaryTensor(input, part.shape, body, offset, size));
    Keep(part.index, std::move(tensor));
    offset += size;
  }
  if (offset == body.size()) return {};
  return InvalidArgument("body: " + std::to_string(body.size() - offset) +
                             " bytes behind the JSON belong to no input with a binary_data_size",
                         "BINARY");
}

void InferInputs::Keep(std::size_t index, tensor::Tensor tensor) {
  const bool rows = model_.spec.batch_axis != BatchAxis::kNone;
  tensors_[index] = rows ? std::move(tensor) : tensor.Reshaped(tensor.shape().Prepend(1));
}

Result<tensor::TensorList> InferInputs::Finish() {
  const auto missing = std::find(seen_.begin(), seen_.end(), false);
  if (missing == seen_.end()) return std::move(tensors_);
  const auto index = static_cast<std::size_t>(missing - seen_.begin());
  return InvalidArgument("inputs: missing input `" + model_.spec.inputs[index].name + "`",
                         "MISSING_INPUT");
}

}  // namespace muster::server::codec::internal
