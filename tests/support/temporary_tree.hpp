// A directory of a test's own, which goes with the test: files and links in it are made by their names.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace tapioca {

class temporary_tree {
public:
    temporary_tree()
    {
        std::string name = std::filesystem::temp_directory_path() / "tapioca-tree-XXXXXX";
        root_ = std::filesystem::canonical(::mkdtemp(name.data()));
    }
    ~temporary_tree() { std::filesystem::remove_all(root_); }
    temporary_tree(const temporary_tree&) = delete;
    temporary_tree& operator=(const temporary_tree&) = delete;

    [[nodiscard]] std::string path(std::string_view name) const { return root_ / name; }
    void directory(std::string_view name) const { std::filesystem::create_directories(root_ / name); }
    void link(std::string_view name, std::string_view target) const { std::filesystem::create_symlink(target, root_ / name); }
    void remove(std::string_view name) const { std::filesystem::remove_all(root_ / name); }
    void rename(std::string_view from, std::string_view to) const { std::filesystem::rename(root_ / from, root_ / to); }
    /// In place: a file that is there keeps its inode.
    void write(std::string_view name, std::string_view text) const
    {
        std::ofstream{root_ / name, std::ios::trunc | std::ios::binary} << text;
    }

private:
    std::filesystem::path root_;
};

} // namespace tapioca
