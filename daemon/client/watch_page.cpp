#include "daemon/client/watch_page.hpp"

#include "daemon/client/text_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace tapioca::client {
namespace {

constexpr std::string_view bold = "\033[1m", dim = "\033[2m", plain = "\033[0m";
constexpr std::array<std::string_view, 9> blocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 9> signs = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};

std::string format(const char* how, double value)
{
    std::array<char, 64> text{};
    (void)std::snprintf(text.data(), text.size(), how, value);
    return text.data();
}

/// Everything but the sparklines is of ASCII, so that octets are columns.
std::string cut(std::string text, std::size_t width)
{
    if (text.size() > width) {
        text.resize(width - 1);
        text += '~';
    }
    return text;
}

class page {
public:
    page(std::size_t width, std::size_t height, page_style style) : width_(width), height_(height), style_(style) {}

    void line(const std::string& text) { put(cut(text, width_)); }
    void head(const std::string& text) { put(styled(bold, cut(text, width_))); }
    void quiet(const std::string& text) { put(styled(dim, cut(text, width_))); }
    void rate(const char* label, const std::string& value, const std::deque<double>& history)
    {
        const auto front =
            cut(std::string{label} + std::string(value.size() < 10 ? 10 - value.size() : 0, ' ') + value + "  ", width_);
        put(front + sparkline(history, width_ - front.size(), style_.unicode));
    }
    /// The rows of a table below its heads, as many as fit into `rows`.
    void table(const text_table& of, std::size_t rows)
    {
        const auto text = of.text(width_);
        std::size_t from = 0;
        for (std::size_t row = 0; row <= rows && from < text.size(); ++row) {
            const auto end = text.find('\n', from);
            const auto cells = text.substr(from, end - from);
            row == 0 ? head(cells) : line(cells);
            from = end + 1;
        }
    }
    void skip_to(std::size_t row)
    {
        while (lines_.size() < std::min(row, height_))
            lines_.emplace_back();
    }
    [[nodiscard]] std::size_t rows() const { return lines_.size(); }
    [[nodiscard]] std::vector<std::string> take()
    {
        skip_to(height_);
        return std::move(lines_);
    }

private:
    void put(std::string text)
    {
        if (lines_.size() < height_)
            lines_.push_back(std::move(text));
    }
    [[nodiscard]] std::string styled(std::string_view how, const std::string& text) const
    {
        return style_.colour ? std::string{how} + text + std::string{plain} : text;
    }

    std::size_t width_, height_;
    page_style style_;
    std::vector<std::string> lines_;
};

double newest(const std::deque<double>& values) { return values.empty() ? 0 : values.back(); }

void put_rates(page& to, const watch_model& m)
{
    to.rate("Received  ", quantity(newest(m.received)) + "/s", m.received);
    to.rate("Sent      ", quantity(newest(m.sent)) + "/s", m.sent);
    to.rate("New flows ", format("%.0f/s", newest(m.opened)), m.opened);
    to.rate("Dropped   ", format("%.0f/s", newest(m.dropped)), m.dropped);
}

std::string round_trip(std::uint64_t us)
{
    return us == 0       ? ""
           : us < 10'000 ? format("%.2f ms", static_cast<double>(us) / 1e3)
                         : format("%.0f ms", static_cast<double>(us) / 1e3);
}

text_table flows_of(const watch_model& m, std::size_t rows)
{
    text_table table{{m.not_all_flows ? "BUSY*" : "BUSY", "STATE", "GUEST", "REMOTE", "RECEIVED", "SENT", "RTT", "RETR"}};
    for (std::size_t i = 0; i < std::min(rows, m.flows.size()); ++i) {
        const auto& f = m.flows[i];
        table.add({f.protocol, f.state, f.guest, f.remote, quantity(f.received) + "/s", quantity(f.sent) + "/s",
                   round_trip(f.round_trip_us), f.retransmissions == 0 ? "" : std::to_string(f.retransmissions)});
    }
    return table;
}

void put_drops(page& to, const watch_model& m, std::size_t rows)
{
    to.head("   DROPPED        /s  WHY");
    for (std::size_t i = 0; i < std::min(rows, m.drops.size()); ++i) {
        const auto& d = m.drops[i];
        to.line(format("%10.0f", static_cast<double>(d.total)) + format("%10.0f  ", d.rate) + d.words);
    }
    if (m.drops.empty())
        to.quiet("         0         0  nothing");
}

void put_events(page& to, const watch_model& m, std::size_t rows)
{
    to.head(m.lost == 0 ? "EVENTS" : "EVENTS (" + std::to_string(m.lost) + " came too fast to be shown)");
    const auto count = std::min(rows, m.events.size());
    for (auto i = m.events.size() - count; i < m.events.size(); ++i)
        to.line(m.events[i]);
    if (m.events.empty())
        to.quiet("none yet");
}

} // namespace

std::string quantity(double octets)
{
    constexpr std::array<const char*, 5> units = {" B", " kB", " MB", " GB", " TB"};
    std::size_t unit = 0;
    for (; octets >= 999.5 && unit + 1 < units.size(); ++unit)
        octets /= 1000;
    return format(unit == 0 || octets >= 99.95 ? "%.0f" : octets >= 9.995 ? "%.1f" : "%.2f", octets) + units[unit];
}

std::string sparkline(const std::deque<double>& values, std::size_t width, bool unicode)
{
    const auto& heights = unicode ? blocks : signs;
    const auto count = std::min(width, values.size());
    const auto first = values.end() - static_cast<std::ptrdiff_t>(count);
    const double largest = count == 0 ? 0 : *std::max_element(first, values.end());
    std::string line(width - count, ' ');
    for (auto v = first; v != values.end(); ++v)
        line += heights[*v <= 0 || largest <= 0 ? 0 : static_cast<std::size_t>(std::ceil(*v / largest * 8))];
    return line;
}

std::string printable(std::string_view text)
{
    std::string made{text};
    std::ranges::replace_if(
        made, [](char c) { return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f; }, '?');
    return made;
}

std::vector<std::string> page_of(const watch_model& model, std::size_t width, std::size_t height, page_style style)
{
    width = std::max<std::size_t>(width, 20);
    height = std::max<std::size_t>(height, 4);
    page made{width, height, style};
    const auto right = std::to_string(model.flow_count) + " flows   q: quit";
    const auto gap = model.title.size() + right.size() + 1 < width ? width - model.title.size() - right.size() : 1;
    made.head(model.title + std::string(gap, ' ') + right);
    put_rates(made, model);
    // Beside the rates: three heads with blank lines in front; drops and events have shares, and flows what is left.
    constexpr std::size_t heads = 6;
    const auto rows = height > made.rows() + heads ? height - made.rows() - heads : 0;
    const auto drop_rows = std::min(std::max<std::size_t>(model.drops.size(), 1), rows / 4);
    const auto event_rows = rows / 3;
    const auto flow_rows = rows - drop_rows - event_rows;
    made.skip_to(6);
    made.table(flows_of(model, flow_rows), flow_rows);
    made.skip_to(7 + flow_rows + 1);
    put_drops(made, model, drop_rows);
    made.skip_to(7 + flow_rows + 1 + 1 + drop_rows + 1);
    put_events(made, model, event_rows);
    return made.take();
}

} // namespace tapioca::client
