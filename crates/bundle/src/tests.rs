mod refusals;
mod shapes;
