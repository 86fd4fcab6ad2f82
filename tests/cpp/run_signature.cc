// Runs one signature of a SavedModel with the loader that TF Serving itself uses.
//
//   run_signature MODEL_DIRECTORY SIGNATURE INPUT_FOLDER OUTPUT_FOLDER
//
// Inputs are files NAME.pb with a serialized TensorProto each; outputs are written likewise.

#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/public/session.h"

namespace {

void CheckOk(const absl::Status& status) {
  if (!status.ok()) {
    std::cerr << status.ToString() << std::endl;
    std::exit(1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "Usage: run_signature MODEL SIGNATURE INPUTS OUTPUTS" << std::endl;
    return 2;
  }
  const std::string inputs_folder = argv[3], outputs_folder = argv[4];
  tensorflow::Env* env = tensorflow::Env::Default();

  tensorflow::SavedModelBundle bundle;
  CheckOk(tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &bundle));
  const auto& signatures = bundle.GetSignatures();
  const auto found = signatures.find(argv[2]);
  if (found == signatures.end()) {
    std::cerr << "No signature " << argv[2] << std::endl;
    return 1;
  }

  std::vector<std::pair<std::string, tensorflow::Tensor>> feeds;
  for (const auto& [name, info] : found->second.inputs()) {
    tensorflow::TensorProto proto;
    CheckOk(tensorflow::ReadBinaryProto(env, inputs_folder + "/" + name + ".pb", &proto));
    tensorflow::Tensor tensor;
    if (!tensor.FromProto(proto)) {
      std::cerr << "No tensor: " << name << std::endl;
      return 1;
    }
    feeds.emplace_back(info.name(), tensor);
  }

  std::vector<std::string> names, fetches;
  for (const auto& [name, info] : found->second.outputs()) {
    names.push_back(name);
    fetches.push_back(info.name());
  }
  std::vector<tensorflow::Tensor> outputs;
  CheckOk(bundle.GetSession()->Run(feeds, fetches, {}, &outputs));
  for (size_t i = 0; i < outputs.size(); ++i) {
    tensorflow::TensorProto proto;
    outputs[i].AsProtoTensorContent(&proto);
    CheckOk(tensorflow::WriteBinaryProto(env, outputs_folder + "/" + names[i] + ".pb", proto));
  }
  return 0;
}
