"""Serves the built site and rebuilds it at every change: `python -m bookbinder.serve`."""

from livereload import Server, shell


def main() -> None:
    """Serves `build/site` on this machine; the browser reloads after each rebuild."""
    server = Server()
    rebuild = shell("make --no-print-directory book")
    for pattern in ("book/**/*", "notebooks/**/*.ipynb", "src/**/*.py"):
        server.watch(pattern, rebuild)
    server.watch("build/site.stamp")
    server.serve(root="build/site", port=8000, open_url_delay=None)


if __name__ == "__main__":
    main()
