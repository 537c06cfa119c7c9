// Rows of cells in columns, as wide as the terminal at most.
#pragma once

#include <string>
#include <vector>

namespace tapioca::client {

class text_table {
public:
    explicit text_table(std::vector<std::string> heads) : rows_{std::move(heads)} {}

    void add(std::vector<std::string> cells);
    [[nodiscard]] bool empty() const noexcept { return rows_.size() == 1; }
    /// Lines of at most `width` characters, as far as that is possible: what is too long loses its middle,
    /// and the last columns are left out where that is not enough. 0: any width.
    [[nodiscard]] std::string text(std::size_t width) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

/// Of standard output; 0 if that is no terminal.
[[nodiscard]] std::size_t terminal_width() noexcept;

/// Whether standard output is a terminal, and its user has not said NO_COLOR (https://no-color.org).
[[nodiscard]] bool wants_colour() noexcept;

} // namespace tapioca::client
