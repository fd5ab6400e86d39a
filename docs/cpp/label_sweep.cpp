// Labels a sweep with a student of `clip2scene export --aot`; no Python runs here.
#include <ATen/ATen.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: label_sweep STUDENT.pt2 SWEEP.bin METRES_ABOVE_THE_TRAINED_HEIGHT\n";
    return 2;
  }
  const c10::InferenceMode no_gradients;
  torch::inductor::AOTIModelPackageLoader maps(argv[1], "maps", true), network(argv[1], "network", true);

  // Lines of label, name, text and numbers; see list_texts in clip2scene_core/export/description.py.
  caffe2::serialize::PyTorchStreamReader archive{std::string(argv[1])};
  const auto [record, size] = archive.getRecord("extra/texts.tsv");
  std::istringstream lines(std::string(static_cast<const char*>(record.get()), size));
  std::vector<std::string> names;
  std::vector<float> numbers;
  for (std::string line, label, text; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::getline(fields, label, '\t');
    std::getline(fields, names.emplace_back(), '\t');
    std::getline(fields, text, '\t');
    numbers.insert(numbers.end(), std::istream_iterator<float>(fields), {});
  }
  const int64_t num_texts = names.size(), width = numbers.size() / num_texts;
  const at::Tensor texts = at::from_blob(numbers.data(), {num_texts, width});

  // Float32 x, y, z [m] in the LiDAR frame, intensity; what is too near or too far is left out.
  std::ifstream file(argv[2], std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  at::Tensor points = at::from_blob(bytes.data(), {int64_t(bytes.size() / 16), 4});
  const at::Tensor place = points.slice(1, 0, 3), range = place.norm(2, 1);
  points = points.index({(range >= 1) & (range <= 80) & (place.slice(1, 0, 2).norm(2, 1) >= 1.5)});
  at::Tensor T_level_lidar = at::eye(4);  // it stands upright
  T_level_lidar[2][3] = std::stof(argv[3]);

  std::vector<at::Tensor> tensors = maps.run({points, T_level_lidar});
  tensors.push_back(texts);
  const at::Tensor counts = network.run(tensors)[0].argmax(1).bincount({}, num_texts);
  for (int64_t text = 0; text < num_texts; ++text)
    std::cout << counts[text].item<int64_t>() << '\t' << names[text] << '\n';
}
